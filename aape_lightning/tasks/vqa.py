"""AAPE for visual question answering (paper section 3.3, LiMBeR): a frozen language model answers about an image."""

from aape_lightning.batch import LanguageBatch
from aape_lightning.tasks.prefixed import PrefixTask
from aape_lightning.tasks.vqa_evaluation import AnswerEvaluation

__all__ = ["VQATask"]


class VQATask(AnswerEvaluation, PrefixTask):
    r"""Maps into a frozen language model, trained by L = lambda L_distill + cross-entropy of answers or of captions.

    Which of the two, and how many answered examples stand before a test question, is the DataModule's: where it has
    `learn_from: captions` the maps see no question in training, and questions are answered by prompting alone, as in
    LiMBeR. Without AAPE (`prefix: none`) it is LiMBeR.
    """

    head = "generative"

    def setup(self, stage: str) -> None:
        """Check the DataModule too.

        Raises:
            BatchError: If there is no DataModule with questions, or it is made for the other head.
            RecipeError: If the loss needs captions and there are none, or h is to stay as it was drawn.
        """
        self.check_data(distils=stage == "fit" and self.uses_summaries)
        super().setup(stage)

    def answer(self, batch: LanguageBatch) -> list[str]:
        """What the language model says to each question, cut to an answer."""
        data = self.vqa_data()
        return list(data.cut_answers(batch["index"], self.write(batch, data.decoding)))
