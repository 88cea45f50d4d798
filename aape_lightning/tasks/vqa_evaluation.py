"""How question answering is evaluated: the answer to each question against those of people, each counted once."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, TypedDict

from jaxtyping import Int
from lightning.pytorch import LightningModule
from torch import Tensor

from aape_lightning.data.readers.questions import Question
from aape_lightning.errors import BatchError, RecipeError
from aape_lightning.metrics import question_groups, vqa_scores
from aape_lightning.metrics.written import WrittenTexts
from aape_lightning.tasks.examples import spread

__all__ = ["AnswerEvaluation", "Answers", "answer_scores"]

_SHOWN = 12  # as many questions as a page shows


class Answers(TypedDict):
    """What `predict_step` returns.

    Attributes:
        index: Position of each question in the test part.
        answer: The answer to it.
    """

    index: Int[Tensor, " b"]
    answer: list[str]


def answer_scores(answers: Mapping[int, str], questions: list[Question]) -> dict[str, float]:
    """Scores of the answers to some questions, fractions.

    Of all questions `accuracy` and `exact_match`, and by type of answer and of question the former; where it is not
    defined, since there are not ten answers each, there is exact match alone.

    Args:
        answers: By the questions' positions.
        questions: All questions of the part.
    """
    asked = [questions[position] for position in answers]
    groups = [question_groups(question.answer_type, question.question_type) for question in asked]
    scores = vqa_scores(list(answers.values()), [question.answers for question in asked], groups)
    left_out = "/exact_match" if "accuracy" in scores else "/accuracy"
    return {name: value for name, value in scores.items() if not name.endswith(left_out)}


class AnswerEvaluation(LightningModule):
    """Test and prediction for a module that answers questions; subclasses say which head of the DataModule they take.

    Logs `test/`, for each of the DataModule's conditions under its prefix, what `answer_scores` gives: `accuracy` (the
    official one) and `exact_match`, and by types such as `answer_type/number/accuracy`.
    """

    head: str

    @abstractmethod
    def answer(self, batch: Any) -> list[str]:  # noqa: ANN401 - by subclass
        """An answer to each question of a batch."""

    def vqa_data(self) -> Any:  # noqa: ANN401 - the VQADataModule
        """The DataModule.

        Raises:
            BatchError: If there is none with questions, or it is made for the other head.
        """
        data: Any = getattr(self.trainer, "datamodule", None)
        if not hasattr(data, "questions"):
            raise BatchError(
                f"{type(self).__name__} takes questions and answers from its DataModule, and there is none. Pass one: "
                f"Trainer.fit(task, datamodule=VQADataModule(head={self.head!r}, ...))."
            )
        if data.hparams["head"] != self.head:
            raise BatchError(
                f"{type(self).__name__} is {self.head}, and the data are paired for head {data.hparams['head']!r}. Set "
                f"--data.head {self.head}."
            )
        return data

    def check_data(self, *, distils: bool) -> None:
        """Look at the DataModule before anything is built.

        Args:
            distils: Whether the loss needs captions.

        Raises:
            BatchError: If there is none with questions, or it is made for the other head.
            RecipeError: If the loss needs captions, and none are named.
        """
        data = self.vqa_data()
        if distils and data.hparams["captions"] is None:
            raise RecipeError(
                f"{type(self).__name__} distils captions into h (distillation_weight "
                f"{self.hparams['distillation_weight']}), and none are named. Name those of the same images with "
                "--data.captions MANIFEST, or train without: --model.distillation_weight 0."
            )

    def on_test_start(self) -> None:
        """Start to collect."""
        self._written = [WrittenTexts() for _ in self.vqa_data().conditions]

    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:  # noqa: ANN401
        """Answer each question."""
        self._written[dataloader_idx].update(batch["index"], self.answer(batch))

    def on_test_epoch_end(self) -> None:
        """Score, over all processes, and log."""
        data = self.vqa_data()
        self._answers = [written.compute() for written in self._written]
        for condition, answers in zip(data.conditions, self._answers, strict=True):
            for name, value in answer_scores(answers, data.test_items()).items():
                self.log(f"test/{condition.prefix}{name}", value, add_dataloader_idx=False)

    def predict_step(self, batch: Any, batch_idx: int) -> Answers:  # noqa: ANN401
        """An answer to each question of one batch."""
        return {"index": batch["index"], "answer": self.answer(batch)}

    def examples(self) -> list[dict[str, Any]]:
        """Some test questions with what was answered under each condition, after a test."""
        data = self.vqa_data()
        questions = data.test_items()
        return [
            _example(questions[position], answers[position], condition.degradation, condition.shots)
            for condition, answers in zip(data.conditions, self._answers, strict=True)
            for position in [list(answers)[k] for k in spread(len(answers), _SHOWN)]
        ]


def _example(question: Question, answer: str, degradation: str, shots: int | None) -> dict[str, Any]:
    return {
        "image": question.path,
        "degradation": degradation,
        "question": question.question,
        "answer": answer,
        "answers": list(question.answers),
        "shots": shots,
    }
