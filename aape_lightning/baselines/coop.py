"""CoOp: context vectors ahead of the class name, learned for all classes together (Zhou et al., IJCV 2022)."""

from aape_lightning.baselines.context import ContextTask

__all__ = ["CoOpTask"]


class CoOpTask(ContextTask):
    r"""Learns v_1 ... v_M of the prompt "v_1 ... v_M NAME." by cross-entropy through the frozen text tower.

    .. math:: p(y = c \mid x) = \mathrm{softmax}_c(\cos(x, w_c) / \tau), \quad w_c = \mathrm{text}([v_1, ..., v_M, c])

    The class's name stands at the end, and the context is the same for all classes.

    Args:
        context: The words that the context starts from ("a photo of a" in the base-to-new protocol), or the number M of
            vectors drawn with deviation 0.02 (16 in the few-shot protocol).
        lr: The highest learning rate of `coop_learning_rate`.
        weight_decay: SGD's.
        backbone_spec: The backbone trained on; recorded by the first fit, not for users to set.
        sizes: Width and number of the context vectors; recorded by the first fit, not for users to set.
    """

    def __init__(
        self,
        *,
        context: int | str = "a photo of a",
        lr: float = 2e-3,
        weight_decay: float = 5e-4,
        backbone_spec: dict[str, str | int | float] | None = None,
        sizes: dict[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.build_if_known()
