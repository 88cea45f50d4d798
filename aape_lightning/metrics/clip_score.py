"""CLIPScore and RefCLIPScore (Hessel et al., 2021): captions judged by a two-tower model."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from aape_lightning.backbones import Backbone
from aape_lightning.errors import MetricError

__all__ = ["clip_score", "clip_scores", "ref_clip_score"]

_WEIGHT = 2.5  # the paper's w, which spreads the usual cosines over [0, 1]
_BATCH = 256  # texts through the tower at once


def clip_score(images: Float[Tensor, "n d"], captions: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    r"""CLIPScore of each caption, in [0, 2.5].

    .. math:: \text{CLIP-S}(c, v) = 2.5 \max(\cos(c, v),\ 0)

    Args:
        images: Unit-norm embeddings.
        captions: Unit-norm embeddings, one an image.
    """
    return _WEIGHT * (images * captions).sum(1).clamp(min=0)


def ref_clip_score(
    scores: Float[Tensor, " n"],
    captions: Float[Tensor, "n d"],
    references: Float[Tensor, "m d"],
    owner: Int[Tensor, " m"],
) -> Float[Tensor, " n"]:
    r"""RefCLIPScore of each caption: the harmonic mean of its CLIPScore and its cosine to the nearest reference.

    .. math:: \text{H-Mean}(\text{CLIP-S}(c, v),\ \max(\max_r \cos(c, r),\ 0))

    Args:
        scores: CLIPScore of each caption.
        captions: Unit-norm embeddings.
        references: Unit-norm embeddings of the references of all images.
        owner: The caption that each reference is compared with; every caption has one or more.
    """
    cosines = (captions[owner] * references).sum(1)
    nearest = cosines.new_zeros(len(captions)).scatter_reduce(0, owner, cosines, "amax")  # zeros: max(..., 0)
    total = scores + nearest
    return torch.where(total > 0, 2 * scores * nearest / total.where(total > 0, 1), 0)


def clip_scores(
    backbone: Backbone,
    images: Float[Tensor, "n d"],
    captions: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    device: torch.device | str = "cpu",
    prefix: str = "A photo depicts ",
) -> dict[str, float]:
    """`clip_score` and `ref_clip_score`, means over images. Which backbone judged belongs beside the numbers.

    Args:
        backbone: The model that judges.
        images: Its unit-norm embeddings of the images.
        captions: A caption an image; an empty one is judged as the bare prefix, as by the paper's code.
        references: One or more captions an image.
        device: Where the text tower runs.
        prefix: What stands before captions and references alike; the paper's. Texts beyond the backbone's context are
            cut.

    Raises:
        MetricError: If there is no image, the numbers of images and captions differ, or an image has no reference.
    """
    if not len(images) or not len(images) == len(captions) == len(references):
        raise MetricError(
            f"CLIPScore takes a caption and references an image: there are {len(images)} images, {len(captions)} "
            f"captions, and references for {len(references)}."
        )
    if bare := sum(not texts for texts in references):
        raise MetricError(f"{bare} of {len(references)} images have no reference.")
    made = _embed(backbone, captions, prefix, device)
    given = _embed(backbone, [text for texts in references for text in texts], prefix, device)
    owner = torch.arange(len(made)).repeat_interleave(torch.tensor([len(texts) for texts in references]))
    scores = clip_score(images.float().cpu(), made)
    with_references = ref_clip_score(scores, made, given, owner)
    return {"clip_score": float(scores.mean()), "ref_clip_score": float(with_references.mean())}


def _embed(backbone: Backbone, texts: Sequence[str], prefix: str, device: torch.device | str) -> Float[Tensor, "m d"]:
    """Unit-norm embeddings on the CPU; each distinct text goes through the tower once."""
    row = {text: k for k, text in enumerate(dict.fromkeys(texts))}
    distinct = [prefix + text for text in row]
    backbone.to(device)
    batches = [distinct[start : start + _BATCH] for start in range(0, len(distinct), _BATCH)]
    embedded = [backbone.encode_text(backbone.tokenize(batch, truncate=True).to(device)).cpu() for batch in batches]
    return torch.cat(embedded)[[row[text] for text in texts]]
