"""The parts of a dataset of questions, their images each once, and the captions that the same images have."""

import hashlib
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from aape_lightning.data.contents import contents_hash
from aape_lightning.data.features import Views
from aape_lightning.data.loaded import LoadedImages
from aape_lightning.data.manifests import load_caption_manifest, load_question_manifest
from aape_lightning.data.module import ImageDataModule
from aape_lightning.data.places import data_root
from aape_lightning.data.readers.captions import CaptionedImage, read_caption_split
from aape_lightning.data.readers.questions import Question, read_question_split
from aape_lightning.data.schema import CaptionManifest, QuestionManifest
from aape_lightning.data.splits import Part, Parts
from aape_lightning.data.vqa_answers import AnswerShares
from aape_lightning.errors import DataError, listed
from aape_lightning.prompts import PromptBank, open_or_build_bank

__all__ = ["LoadedQuestions", "QuestionParts"]


@dataclass(kw_only=True)
class LoadedQuestions(LoadedImages):
    """One part's questions, on the device; its images are each there once.

    Attributes:
        texts: Embeddings of the distinct questions; None for a language model.
        asked: Each question's row in `texts`.
        shares: The answers' shares; in training of a classifier only.
        shots: Answered examples that are shown before each question.
    """

    texts: Float[Tensor, "q d"] | None = None
    asked: Int[Tensor, " n"] | None = None
    shares: AnswerShares | None = None
    shots: int = 0


class QuestionParts(ImageDataModule):
    """Questions about images; an entry of the prompt bank is an image with its captions, where there are captions.

    Subclasses save the hyper-parameters that `ImageDataModule` reads, and `manifest`, `root` and `captions`.
    """

    manifest: QuestionManifest
    captions: CaptionManifest | None = None

    def place_questions(self) -> None:
        """Take the dataset, and the captions where they are named.

        Raises:
            ManifestError: If a manifest is unknown, or of another kind.
            DataError: If a hyper-parameter is out of range.
        """
        self.place(load_question_manifest(self.hparams["manifest"]), self.hparams["root"])
        if self.hparams["captions"] is not None:
            self.captions = load_caption_manifest(self.hparams["captions"])

    @property
    def _split(self) -> Parts[Question]:
        if not hasattr(self, "_questions"):
            self._questions = read_question_split(self.manifest, self.root)
        return self._questions

    @property
    def _captioned(self) -> Parts[CaptionedImage]:
        if not hasattr(self, "_captioned_images"):
            assert self.captions is not None
            self._captioned_images = read_caption_split(self.captions, data_root(self.captions, self.hparams["root"]))
        return self._captioned_images

    def questions(self, part: Part, *, answered: bool = True) -> list[Question]:
        """The questions of a part.

        Args:
            part: Which.
            answered: Whether they must have answers.

        Raises:
            DataError: If there are none, or some have no public answers and must have.
        """
        if not (found := self._split.part(part)):
            there = [f"{name} ({len(self._split.part(name))})" for name in ("train", "val", "test")]
            raise DataError(
                f"{self.manifest.title} has no questions in its part {part!r}; its parts are {', '.join(there)}."
            )
        if answered and (without := sum(not question.answers for question in found)):
            raise DataError(
                f"{without} of {len(found)} questions in the part {part!r} of {self.manifest.title} have no public "
                "answers. They are answered, not scored, by: aape predict --config RUN/config.yaml --ckpt_path "
                "RUN/aape.ckpt."
            )
        return found

    def describe_questions(self, questions: list[Question], views: Views) -> LoadedQuestions:
        """Questions of a part with their images, before their stores are opened."""
        place = {path: k for k, path in enumerate(dict.fromkeys(question.path for question in questions))}
        rows = torch.tensor([place[question.path] for question in questions], device=self.device)
        return LoadedQuestions(items=questions, paths=list(place), views=views, rows=rows)

    def embed_questions(self, loaded: LoadedQuestions) -> None:
        """Embed a part's questions by the text tower, each text once; one beyond the context is cut."""
        place = {text: k for k, text in enumerate(dict.fromkeys(question.question for question in loaded.items))}
        bank = self._bank({"questions": list(place)})
        loaded.texts = bank.embeddings
        loaded.asked = torch.tensor([place[question.question] for question in loaded.items], device=self.device)

    def add_prompts(self, loaded: LoadedQuestions) -> None:
        """Give a part's images their captions as prompts, where captions are named.

        Raises:
            DataError: If some of the images have none.
        """
        if self.captions is None:
            return
        known = {image.path: image.captions for part in vars(self._captioned).values() for image in part}
        if missing := [path for path in loaded.paths if path not in known]:
            raise DataError(
                f"{len(missing)} of {len(loaded.paths)} images of the training questions have no captions in "
                f"{self.captions.title} (--data.captions), such as {listed(missing, limit=3)}. Captions and questions "
                "are matched by the paths of their images, such as "
                f"{listed(known, limit=1)}."
            )
        self.bank = self._bank({path: list(known[path]) for path in loaded.paths})
        loaded.keys = torch.arange(len(loaded.paths), device=self.device)

    def described(self, part: Part) -> list[CaptionedImage]:
        """Images of a part of the captions, but for those that test questions are about."""
        tested = {question.path for question in self._split.test}
        return [image for image in self._captioned.part(part) if image.path not in tested]

    def describe_captioned(self, part: Part, views: Views) -> LoadedQuestions:
        """A part's images as positions, to learn their captions, before their stores are opened.

        Raises:
            DataError: If there are none.
        """
        if not (images := self.described(part)):
            assert self.captions is not None
            raise DataError(
                f"The part {part!r} of {self.captions.title} has no images to learn from, but for those that test "
                f"questions of {self.manifest.title} are about."
            )
        loaded = LoadedQuestions(items=images, paths=[image.path for image in images], views=views)
        if part == "train":
            self.bank = self._bank({image.path: list(image.captions) for image in images})
            loaded.keys = torch.arange(len(images), device=self.device)
        return loaded

    def _bank(self, sentences: dict[str, list[str]]) -> PromptBank:
        return open_or_build_bank(self.backbone, sentences, self.cache_dir / "banks", self.device).to(self.device)

    def contents(self) -> str:
        """Hash of manifests, questions and captions: what a result depends on beside configuration and backbone.

        Raises:
            ManifestError: If a dataset's folder or a file of it is missing.
        """
        own = contents_hash(self.manifest, self._split)
        if self.captions is None:
            return own
        return hashlib.sha256(f"{own} {contents_hash(self.captions, self._captioned)}".encode()).hexdigest()
