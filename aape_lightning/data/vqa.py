"""Visual question answering: questions about images for a language model, or for a classifier over answers."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Literal, cast

import pandas as pd
import torch
from jaxtyping import Int
from torch import Tensor

from aape_lightning.data.conditions import conditions
from aape_lightning.data.encoding import Precision
from aape_lightning.data.features import Views
from aape_lightning.data.readers.questions import Question
from aape_lightning.data.recorded import Recorded
from aape_lightning.data.splits import Part
from aape_lightning.data.tested import ConditionedDataModule
from aape_lightning.data.vqa_answers import AnswerShares, answer_vocabulary
from aape_lightning.data.vqa_examples import draw_examples
from aape_lightning.data.vqa_pairing import QuestionPairing
from aape_lightning.data.vqa_parts import LoadedQuestions
from aape_lightning.data.vqa_texts import QUESTION_FORM, cut_answer, longest_answer
from aape_lightning.errors import DataError
from aape_lightning.language import Decoding

__all__ = ["VQADataModule"]


class VQADataModule(ConditionedDataModule, QuestionPairing):
    """Questions about images, as `LanguageBatch`es or `QuestionBatch`es on the device.

    What may differ between training and a test of the same checkpoint is here, and not among the task's
    hyper-parameters, which a checkpoint brings with it. A question's target is its most common answer.

    Args:
        manifest: Short name or path of a manifest of questions.
        root: The data root, under which the dataset's folder lies; the manifest's own where not given, else the current
            folder.
        backbone: Name or path for `load_backbone`.
        head: `generative` pairs questions with image tokens for a language model, `discriminative` with embeddings and
            a vocabulary of answers.
        captions: Short name or path of a manifest of captions of the same images, known by their paths: the prompts of
            L_distill, and what is learned from with `learn_from: captions`.
        learn_from: `questions` trains on them; `captions` (generative alone) trains to describe the images, and
            questions are then answered by prompting, as LiMBeR does. Images that test questions are about are left out.
        prompt: What stands between image and caption where captions are learned from.
        examples: Numbers of answered training questions shown before each test question (generative alone), each a test
            of its own; [0] where not given. They are drawn by seed and question, and their images never made worse.
        separator: What stands behind an example's answer; the language model's end token may stand here by its name.
        degradations: How test images are made worse, each a test of its own: `none`, `blur`, `occlusion`.
        image_tokens: What stands for an image: `grid`, the tower's patches or cells, or `embedding`, x alone.
        decoding: How answers are written: `method` (`greedy`, `beam` or `nucleus`) and the other fields of `Decoding`.
        truncate: Cut what is written to the number of words of the question's longest true answer, as the paper does:
            the evaluation then reads the truth's length. Otherwise only at the end token and the first line end.
        answers: The most answers of the vocabulary, the most frequent ones of the training part (discriminative alone).
        seed: Seed of the order, of the examples, of which caption an epoch uses, and of the augmentation.
        store: Read embeddings and tokens from the feature store; otherwise images go through the tower in every step.
        views: Augmented views a training image (random crop and flip) that epochs choose from; 0 for the centre crop.
        batch_size: Questions a batch and process.
        tower_precision: Precision of the image tower when stores are built: `float32`, or `bfloat16` or `float16` by
            autocast, which a GPU computes faster; stores of different precisions are different stores.
        num_workers: Processes that decode images; one a core, at most 8, where not given.
        cache_dir: Folder of stores and banks; `$AAPE_CACHE` or `~/.cache/aape` where not given.
    """

    def __init__(
        self,
        manifest: str = "shapes_questions",
        root: str | None = None,
        *,
        backbone: str = "RN50x16",
        head: Literal["generative", "discriminative"] = "generative",
        captions: str | None = None,
        learn_from: Literal["questions", "captions"] = "questions",
        prompt: str = "A picture of",
        examples: list[int] | None = None,
        separator: str = "\n",
        degradations: list[str] | None = None,
        image_tokens: Literal["grid", "embedding"] = "grid",
        decoding: dict[str, Any] | None = None,
        truncate: bool = True,
        answers: int = 3000,
        seed: int = 1,
        store: bool = True,
        views: int = 0,
        batch_size: int = 64,
        tower_precision: Precision = "float32",
        num_workers: int | None = None,
        cache_dir: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self._check_choices()
        self.place_questions()
        self.with_tokens = head == "generative"
        shots = (None,) if head == "discriminative" else examples or [0]
        self.conditions = conditions(degradations or ["none"], shots)
        self.decoding = Decoding.of(decoding)

    def _check_choices(self) -> None:
        chosen = self.hparams
        if chosen["answers"] < 1:
            raise DataError(f"answers is {chosen['answers']}; the vocabulary holds 1 answer or more (--data.answers).")
        if chosen["learn_from"] == "captions" and chosen["captions"] is None:
            raise DataError("learn_from is 'captions', and no captions are named: --data.captions MANIFEST.")
        if chosen["head"] == "discriminative" and chosen["learn_from"] == "captions":
            raise DataError("A classifier over answers learns from questions; learn_from is 'captions'.")
        if chosen["head"] == "discriminative" and chosen["examples"]:
            raise DataError(
                "examples are shown to a language model; head is 'discriminative' (--data.head generative)."
            )

    # ---- parts -------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Read the parts, and build or open what the stage needs.

        Args:
            stage: `fit`, `validate`, `test` or `predict`.

        Raises:
            ManifestError: If files of the dataset are missing.
            DataError: If the part that the stage needs is empty or has no public answers, if images have no captions,
                or if there are too few examples to show.
        """
        self.setup_backbone()
        if stage == "fit":
            self._parts["train"] = self._trained_on()
        if stage == "validate" or (stage == "fit" and self._has_validation):
            self._parts["val"] = self._validated_on()
        if stage in ("test", "predict"):
            self._setup_test(answered=stage == "test")

    @property
    def _has_validation(self) -> bool:
        return bool(self.described("val") if self.describes else self._split.val)

    def _trained_on(self) -> LoadedQuestions:
        if self.describes:
            return self._load(self.describe_captioned("train", self.training_views()))
        loaded = self._load(self.describe_questions(self.questions("train"), self.training_views()))
        self.add_prompts(loaded)
        if self.hparams["head"] == "discriminative":
            self.answers = answer_vocabulary(loaded.items, self.hparams["answers"])
            loaded.shares = AnswerShares.of(loaded.items, self.answers, self.device)
        return loaded

    def _validated_on(self) -> LoadedQuestions:
        if self.describes:
            return self._load(self.describe_captioned("val", Views()))
        return self._load(self.describe_questions(self.questions("val"), Views()))

    def _setup_test(self, *, answered: bool) -> None:
        questions, loaded = self.questions("test", answered=answered), {}
        for kind in dict.fromkeys(condition.degradation for condition in self.conditions):
            loaded[kind] = self._load(self.describe_questions(questions, Views(degradation=kind)))
        self.use_tests([replace(loaded[chosen.degradation], shots=chosen.shots or 0) for chosen in self.conditions])
        if most := max(chosen.shots or 0 for chosen in self.conditions):
            train = self.questions("train")
            drawn = draw_examples(train, questions, most, self.hparams["seed"])
            used = drawn.unique()  # of a large training part few images are shown
            self.pool = self._load(self.describe_questions([train[k] for k in used.tolist()], Views()))
            self.drawn_examples = torch.searchsorted(used, drawn)

    def _load(self, loaded: LoadedQuestions) -> LoadedQuestions:
        if self.hparams["head"] == "discriminative":
            self.embed_questions(loaded)
        return cast(LoadedQuestions, self.load_images(loaded))

    def items(self, part: Part) -> list[Question]:
        """The questions of a part that is set up, in the order of their `index`."""
        return self._parts[part].items

    def unanswerable(self) -> tuple[int, int]:
        """How many training questions there are, and how many of them have no answer in the vocabulary."""
        loaded = self._parts["train"]
        assert isinstance(loaded, LoadedQuestions)
        assert loaded.shares is not None
        return len(loaded.items), loaded.shares.unanswerable

    def test_items(self) -> list[Any]:
        """The test questions, in the order of their `index`."""
        return self.items("test")

    # ---- what comes of it ----------------------------------------------------------------------------------------

    def cut_answers(self, index: Int[Tensor, " b"], texts: Sequence[str]) -> list[str]:
        """Answers out of what a language model wrote for some test questions, as `truncate` says."""
        items = [self.items("test")[position] for position in index.tolist()]
        limits = [longest_answer(item) if self.hparams["truncate"] else None for item in items]
        return [cut_answer(text, limit) for text, limit in zip(texts, limits, strict=True)]

    def prediction_table(self, predictions: Sequence[Any]) -> pd.DataFrame:
        """One row a question: its id, the image's path, question and answer.

        Args:
            predictions: What `predict_step` returned, batch by batch.
        """
        index = torch.cat([batch["index"] for batch in predictions]).tolist()
        items = [self.items("test")[position] for position in index]
        return pd.DataFrame(
            {
                "question_id": [item.question_id for item in items],
                "path": [item.path for item in items],
                "question": [item.question for item in items],
                "answer": [answer for batch in predictions for answer in batch["answer"]],
            }
        )

    def recorded(self) -> Recorded:
        """How questions are put to a language model, and how its answers are written; a classifier needs neither."""
        values = super().recorded().values
        if self.with_tokens:
            form = {"question_prompt": QUESTION_FORM, "image_tokens": self.hparams["image_tokens"]}
            values = values | form | {"decoding": asdict(self.decoding)}
        return Recorded(values)

    def eval_batch_size(self) -> int:
        """As many questions as in training where each is written for, which takes memory; else many."""
        return int(self.hparams["batch_size"]) if self.with_tokens else super().eval_batch_size()
