"""AAPE for captioning (paper section 3.3, LiMBeR): a frozen language model describes what its soft prefix shows."""

from typing import Any, TypedDict

import torch
from jaxtyping import Float, Int
from torch import Tensor

from aape_lightning.batch import LanguageBatch
from aape_lightning.errors import BatchError
from aape_lightning.metrics import caption_scores, check_tokenizer, clip_scores
from aape_lightning.metrics.written import WrittenTexts
from aape_lightning.tasks.examples import spread
from aape_lightning.tasks.prefixed import PrefixTask

__all__ = ["CaptioningTask", "Captions"]

_SHOWN = 12


class Captions(TypedDict):
    """What `predict_step` returns.

    Attributes:
        index: Position of each image in the test part.
        caption: What was written for it.
    """

    index: Int[Tensor, " b"]
    caption: list[str]


class CaptioningTask(PrefixTask):
    r"""Maps into a frozen language model, trained by L = lambda L_distill + cross-entropy of the captions.

    Without AAPE (`prefix: none`) it is LiMBeR. With it, h may be taken from a run on captions and stay as it is (the
    paper's zero-shot AAPE: `generator_from` and `train_generator: false`), start there and be finetuned, or be trained
    here.

    A test logs `test/`, for each of the DataModule's conditions under its prefix: CIDEr-D, BLEU-1 to 4 and ROUGE-L
    against the image's captions, named with the tokeniser, and CLIPScore and RefCLIPScore under the run's own backbone;
    the latter two against the image as it was before it was made worse.
    """

    def on_test_start(self) -> None:
        """Start to collect.

        Raises:
            BatchError: If there is no DataModule with captions.
            MetricError: If the tokeniser cannot run here, which is told before anything is written.
        """
        data = self._data()
        check_tokenizer(data.tokenizer)
        self._written = [WrittenTexts() for _ in data.conditions]

    def _data(self) -> Any:  # noqa: ANN401 - the CaptioningDataModule
        data: Any = getattr(self.trainer, "datamodule", None)
        if not hasattr(data, "conditions"):
            raise BatchError(
                f"{type(self).__name__} takes conditions and captions from its DataModule, and there is none. Pass "
                "one: Trainer.test(task, datamodule=CaptioningDataModule(...))."
            )
        return data

    def test_step(self, batch: LanguageBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Write a caption for each image."""
        self._written[dataloader_idx].update(batch["index"], self.write(batch, self._data().decoding))

    def on_test_epoch_end(self) -> None:
        """Score, over all processes, and log."""
        data = self._data()
        self._captions = [written.compute() for written in self._written]
        images = data.clean_embeddings()
        for condition, captions in zip(data.conditions, self._captions, strict=True):
            for name, value in self._scores(captions, images).items():
                self.log(f"test/{condition.prefix}{name}", value, add_dataloader_idx=False)

    @torch.no_grad()
    def _scores(self, captions: dict[int, str], images: Float[Tensor, "n d"]) -> dict[str, float]:
        """Scores against the images' captions, and under the backbone against the images themselves."""
        data = self._data()
        items, texts, described = data.test_items(), list(captions.values()), images[list(captions)]
        references = {position: items[position].captions for position in captions}
        scores = caption_scores(captions, references, tokenizer=data.tokenizer)
        return scores | clip_scores(data.backbone, described, texts, list(references.values()), device=self.device)

    def predict_step(self, batch: LanguageBatch, batch_idx: int) -> Captions:
        """A caption for each image of one batch."""
        return {"index": batch["index"], "caption": self.write(batch, self._data().decoding)}

    def examples(self) -> list[dict[str, Any]]:
        """Some test images with what was written for them under each condition, after a test."""
        data = self._data()
        items = data.test_items()
        return [
            {
                "image": items[position].path,
                "degradation": condition.degradation,
                "caption": captions[position],
                "references": list(items[position].captions),
            }
            for condition, captions in zip(data.conditions, self._captions, strict=True)
            for position in [list(captions)[k] for k in spread(len(captions), _SHOWN // len(data.conditions))]
        ]
