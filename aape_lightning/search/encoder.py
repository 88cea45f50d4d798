"""What images are searched with and found by: x itself (zero-shot CLIP), or what a trained task makes of it."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from PIL.Image import Image
from torch import Tensor, nn

from aape_lightning.backbones import Backbone, load_backbone
from aape_lightning.backbones.fingerprints import fingerprint
from aape_lightning.backbones.recorded import recorded_backbone
from aape_lightning.prompts import embed_texts

__all__ = ["DEFAULT_BACKBONE", "QueryEncoder"]

DEFAULT_BACKBONE = "ViT-L/14"  # the paper's for retrieval, and RetrievalDataModule's
_ROWS_PER_PASS = 8192


@dataclass(frozen=True)
class QueryEncoder:
    """Images and texts as points of one space, all of unit norm: an image by its query embedding, a text by CLIP's.

    Attributes:
        backbone: The frozen encoder.
        task: Makes image embeddings query embeddings: a `RetrievalTask` (h(x), or its residual form), or the identity.
        fingerprint: Hash of all that query embeddings depend on; indices are bound to it.
        checkpoint: The file that the task is from; None for zero-shot CLIP.
        device: Where the work is done.

    Example:
        >>> encoder = QueryEncoder.load(backbone="shapes-tiny")
        >>> encoder.text("a red circle above a blue square").shape
        torch.Size([256])
    """

    backbone: Backbone
    task: nn.Module
    fingerprint: str
    checkpoint: Path | None
    device: torch.device

    @classmethod
    def load(
        cls, checkpoint: Path | None = None, backbone: str | None = None, device: torch.device | None = None
    ) -> "QueryEncoder":
        """The query encoder of a retrieval run, or zero-shot CLIP's.

        Args:
            checkpoint: A run's `aape.ckpt` or `last.ckpt`, its folder, or a folder that was shared; zero-shot where
                None.
            backbone: Name or path for `load_backbone`; the checkpoint's own where None, and `ViT-L/14` without one.
            device: Where the work is done; the CPU where None.

        Raises:
            CheckpointError: If the file is missing or no checkpoint, or not of a `RetrievalTask`.
            BackboneNotFoundError: If the backbone cannot be had.
            BackboneMismatchError: If the checkpoint was trained on another backbone than the one asked for.
        """
        where = device or torch.device("cpu")
        if checkpoint is None:
            towers: Backbone = load_backbone(backbone or DEFAULT_BACKBONE)
            return cls(towers, nn.Identity(), towers.fingerprint, None, where)
        return cls._trained(checkpoint, backbone, where)

    @classmethod
    def _trained(cls, checkpoint: Path, backbone: str | None, device: torch.device) -> "QueryEncoder":
        # Lightning takes seconds to import, and zero-shot search does without it.
        from aape_lightning.search.checkpoint import read_retriever

        saved = read_retriever(checkpoint)
        towers = recorded_backbone(saved.backbone_spec, backbone, str(checkpoint))
        task = saved.build()
        settings = {"backbone": towers.fingerprint, "retrieve_with": task.hparams["retrieve_with"]}
        return cls(towers, task.to(device), fingerprint(task.state_dict(), settings), checkpoint, device)

    @torch.no_grad()
    def queries(self, image_embeddings: Float[Tensor, "m d"]) -> Float[Tensor, "m d"]:
        """Query embeddings of unit-norm image embeddings, on the CPU."""
        passes = image_embeddings.split(_ROWS_PER_PASS)
        return torch.cat([self.task(rows.to(self.device)).float().cpu() for rows in passes])

    def image(self, image: Image) -> Float[Tensor, " d"]:
        """The query embedding of one RGB image."""
        towers = self.backbone.to(self.device)
        return self.queries(towers.encode_image(towers.transform(image)[None].to(self.device)))[0]

    def text(self, text: str) -> Float[Tensor, " d"]:
        """The embedding of a text; what is beyond the context is cut."""
        return embed_texts(self.backbone, [text], self.device)[0]

    def __str__(self) -> str:
        if self.checkpoint is None:
            return f"zero-shot {self.backbone.name}"
        return f"{self.checkpoint} on {self.backbone.name}"
