"""Image-text retrieval: recall at K and median rank in both directions, exact and in blocks."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from aape_lightning.errors import MetricError, listed

__all__ = ["recall_scores", "retrieval_ranks", "retrieval_scores"]

_LEVELS = (1, 5, 10)  # K of recall@K, as every table of the field has them
_IMAGES, _CAPTIONS = 512, 2048  # 8 MB of scores a block; far larger ones spend their time on fresh pages
_BITS = 26  # two factors of 26 bits: their products, and sums of them, are whole numbers below 2^53


def retrieval_scores(
    images: Float[Tensor, "n d"], captions: Float[Tensor, "m d"], owner: Int[Tensor, " m"]
) -> dict[str, float]:
    """Recall at 1, 5 and 10 and median rank, from images to captions and from captions to images.

    Args:
        images: What each image is searched with and found by.
        captions: Embeddings of all captions.
        owner: The row of `images` that each caption describes; every image has one caption or more.

    Returns:
        `image_to_text/recall@1`, ..., `text_to_image/median_rank`; recall as a fraction.

    Raises:
        MetricError: If there is nothing to rank, a value is not finite, or an image has no caption.

    Example:
        >>> scores = retrieval_scores(torch.eye(2), torch.eye(2).repeat(2, 1), torch.tensor([0, 1, 0, 1]))
        >>> scores["image_to_text/recall@1"], scores["text_to_image/median_rank"]
        (1.0, 1.0)
    """
    to_text, to_image = retrieval_ranks(images, captions, owner)
    found = {"image_to_text": recall_scores(to_text), "text_to_image": recall_scores(to_image)}
    return {f"{direction}/{name}": value for direction, scores in found.items() for name, value in scores.items()}


def recall_scores(ranks: Int[Tensor, " q"]) -> dict[str, float]:
    """`recall@K`, the fraction of queries with a positive among the first K, and `median_rank`.

    Args:
        ranks: Of each query the rank of its best positive, from 1. For an even number of queries the median is the mean
            of the middle two.
    """
    recall = {f"recall@{k}": float((ranks <= k).double().mean()) for k in _LEVELS}
    return recall | {"median_rank": float(ranks.cpu().double().quantile(0.5))}


def retrieval_ranks(
    images: Float[Tensor, "n d"], captions: Float[Tensor, "m d"], owner: Int[Tensor, " m"]
) -> tuple[Int[Tensor, " n"], Int[Tensor, " m"]]:
    """The rank of each image's best caption among all captions, and of each caption's image among all images, from 1.

    Ties rank against us: whatever is no positive and scores as high as the positive stands before it. An image's other
    captions stand in no one's way.

    Which of two scores is higher must not depend on where in a block they were computed, and in floating point it does:
    the same product is summed in another order. So embeddings are rounded to multiples of 2^-26 of the power of two
    above the largest norm, which moves a cosine by about 1e-8, less than a product in float32 does. Then every product,
    summed in float64 in any order, is exact, and equal pairs have equal scores. Needs less than 200 MB above its
    inputs, whatever their number.

    Args:
        images: What each image is searched with and found by; scores are dot products.
        captions: Embeddings of all captions.
        owner: The row of `images` that each caption describes.

    Raises:
        MetricError: If there is nothing to rank, a value is not finite, or an image has no caption.
    """
    _check(images, captions, owner)
    if images.device.type == "mps":
        images, captions, owner = images.cpu(), captions.cpu(), owner.cpu()  # there is no float64 on it
    owner, scales = owner.long(), (_scale(images), _scale(captions))
    own = _own_scores(images, captions, owner, scales)
    best = own.new_full((len(images),), -torch.inf).scatter_reduce(0, owner, own, "amax")
    as_good = torch.zeros_like(best, dtype=torch.long)  # captions that score as the best positive, or higher
    to_image = torch.zeros_like(owner)
    for rows in torch.arange(len(images), device=own.device).split(_IMAGES):
        block = _whole(images[rows], scales[0])
        for columns in torch.arange(len(captions), device=own.device).split(_CAPTIONS):
            scores = block @ _whole(captions[columns], scales[1]).T
            as_good[rows] += (scores >= best[rows, None]).sum(1)
            to_image[columns] += (scores >= own[columns]).sum(0)
    own_as_good = torch.zeros_like(as_good).index_add(0, owner, (own == best[owner]).long())
    return as_good - own_as_good + 1, to_image


def _own_scores(
    images: Float[Tensor, "n d"], captions: Float[Tensor, "m d"], owner: Int[Tensor, " m"], scales: tuple[float, float]
) -> Float[Tensor, " m"]:
    """The score of each caption with its image."""
    blocks = zip(captions.split(_CAPTIONS), owner.split(_CAPTIONS), strict=True)
    return torch.cat([(_whole(images[of], scales[0]) * _whole(texts, scales[1])).sum(1) for texts, of in blocks])


def _scale(embeddings: Float[Tensor, "n d"]) -> float:
    """The power of two that makes the largest norm just fill the bits."""
    _, exponent = math.frexp(float(_norms(embeddings).max()))
    return 2.0 ** (_BITS - exponent)


def _whole(embeddings: Float[Tensor, "n d"], scale: float) -> Float[Tensor, "n d"]:
    """Embeddings as whole numbers, in float64."""
    return (embeddings.double() * scale).round()


def _norms(embeddings: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    dtype = torch.promote_types(embeddings.dtype, torch.float32)
    norms: Tensor = torch.linalg.vector_norm(embeddings, dim=1, dtype=dtype)
    return norms


def _check(images: Float[Tensor, "n d"], captions: Float[Tensor, "m d"], owner: Int[Tensor, " m"]) -> None:
    for name, embeddings in (("image", images), ("caption", captions)):
        if not len(embeddings):
            raise MetricError(f"There are no {name} embeddings to rank.")
        if len(bad := (~_norms(embeddings).isfinite()).nonzero()):
            raise MetricError(
                f"{len(bad)} of {len(embeddings)} {name} embeddings hold NaN, infinity or numbers too large to square; "
                f"the first is row {int(bad[0])}."
            )
    if int(owner.min()) < 0 or int(owner.max()) >= len(images):
        raise MetricError(
            f"The captions belong to images {int(owner.min())} to {int(owner.max())}, and the images are 0 to "
            f"{len(images) - 1}."
        )
    if len(bare := (torch.bincount(owner, minlength=len(images)) == 0).nonzero()):
        raise MetricError(
            f"{len(bare)} of {len(images)} images have no caption: rows {listed(map(str, bare[:, 0].tolist()))}."
        )
