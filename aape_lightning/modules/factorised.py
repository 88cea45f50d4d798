"""The factorised head: cos(x, w_c(x)) of Eq. 3 for every (image, class) pair, from r numbers a pair instead of d.

The hidden layer of g splits into one part a class and one part an image, z_bc = relu(class_part_c + image_part_b), and
w_c(x_b) = V z_bc + offset_c, where the offset is all that no image moves. So, with G = V^T V,

    x_b . w_c(x_b) = u_b . z_bc + s_bc                    u_b = V^T x_b         s_bc = x_b . offset_c
    ||w_c(x_b)||^2 = z_bc . (G z_bc + 2 t_c) + n_c        t_c = V^T offset_c    n_c = ||offset_c||^2

Letters: b images, c classes, r bottleneck. A block of z is (b, r, c): a sum over r then adds whole rows of classes.
"""

import math
from collections.abc import Iterator
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import BackwardCFunction, FunctionCtx, once_differentiable

__all__ = ["pair_cosine"]

# Numbers in one block of z. On a CPU the two or three buffers of this size (2 MB in float32) stay in the last cache,
# and a step's fixed costs are few; an accelerator only needs enough to be full, and a bound on its memory.
CPU_BLOCK = 2**19
ACCELERATOR_BLOCK = 2**24


def pair_cosine(
    class_part: Float[Tensor, "c r"],
    image_part: Float[Tensor, "b r"],
    u: Float[Tensor, "b r"],
    s: Float[Tensor, "b c"],
    gram: Float[Tensor, "r r"],
    t: Float[Tensor, "c r"],
    n: Float[Tensor, " c"],
) -> Float[Tensor, "b c"]:
    """cos(x_b, w_c(x_b)) of unit-norm x, with exact gradients for every argument.

    Memory is O(B C + (B + C) r): z exists one block at a time, and the backward pass computes it again. A w_c(x) whose
    norm is zero to within rounding has no direction: its cosine is 0 and so are its gradients.

    A float32 cosine is within 4 roundings (2^-23 each) times what cancels, (||V z||^2 + ||offset||^2) / ||w_c(x)||^2.

    Args:
        class_part: What a class adds to the hidden layer.
        image_part: What an image adds to the hidden layer, bias included.
        u: V^T x.
        s: x . offset.
        gram: V^T V.
        t: V^T offset.
        n: ||offset||^2.
    """
    cosine: Tensor = _PairCosine.apply(class_part, image_part, u, s, gram, t, n)
    return cosine


class _PairCosine(torch.autograd.Function):
    """`pair_cosine`, block by block in both directions."""

    @staticmethod
    def forward(ctx: FunctionCtx, *arguments: Tensor) -> Tensor:
        class_part, image_part, u, s, gram, t, n = arguments
        class_rows, twice_t_rows = class_part.mT.contiguous(), (2 * t).mT.contiguous()
        cosine, inverse_norm = _cosines(class_rows, image_part, u, s, gram, twice_t_rows, n)
        ctx.save_for_backward(class_rows, image_part, u, gram, twice_t_rows, cosine, inverse_norm)
        return cosine

    @staticmethod
    @once_differentiable
    def backward(ctx: BackwardCFunction, grad: Tensor) -> tuple[Tensor, ...]:
        saved: tuple[Tensor, ...] = ctx.saved_tensors
        return _gradients(grad, *saved)


def _cosines(
    class_rows: Float[Tensor, "r c"],
    image_part: Float[Tensor, "b r"],
    u: Float[Tensor, "b r"],
    s: Float[Tensor, "b c"],
    gram: Float[Tensor, "r r"],
    twice_t_rows: Float[Tensor, "r c"],
    n: Float[Tensor, " c"],
) -> tuple[Float[Tensor, "b c"], Float[Tensor, "b c"]]:
    """Cosines and inverse norms of all pairs."""
    r = len(gram)
    dot, norm2 = s.new_empty(s.shape), s.new_empty(s.shape)
    for images, classes, (z, gz_and_dot) in _blocks(s, r, r + 1):
        torch.add(class_rows[:, classes], image_part[images, :, None], out=z).relu_()
        gram_and_u = torch.cat([gram.expand(len(z), r, r), u[images, None]], dim=1)
        torch.bmm(gram_and_u, z, out=gz_and_dot)  # rows: G z, and u . z as the last
        dot[images, classes] = gz_and_dot[:, r]
        quadratic = gz_and_dot[:, :r].add_(twice_t_rows[:, classes]).mul_(z)
        torch.sum(quadratic, dim=1, out=norm2[images, classes])
    norm2.add_(n)
    lost = norm2 <= _rounding_of(n)
    inverse_norm = norm2.rsqrt_().masked_fill_(lost, 0)
    return dot.add_(s).mul_(inverse_norm), inverse_norm


def _gradients(
    grad: Float[Tensor, "b c"],
    class_rows: Float[Tensor, "r c"],
    image_part: Float[Tensor, "b r"],
    u: Float[Tensor, "b r"],
    gram: Float[Tensor, "r r"],
    twice_t_rows: Float[Tensor, "r c"],
    cosine: Float[Tensor, "b c"],
    inverse_norm: Float[Tensor, "b c"],
) -> tuple[Tensor, ...]:
    """Gradients of `pair_cosine` in the order of its arguments.

    With e = dL/d(dot) and f = dL/d(norm^2), dL/dz_bc = e u_b + 2 f (G z_bc + t_c), which reaches
    both parts through relu's mask.
    """
    r = len(gram)
    e = grad * inverse_norm
    f = (e * cosine).mul_(inverse_norm).mul_(-0.5)
    d_class_rows, half_d_t_rows = torch.zeros_like(class_rows), torch.zeros_like(class_rows)
    d_image, d_u, d_gram = torch.zeros_like(image_part), torch.zeros_like(u), torch.zeros_like(gram)
    for images, classes, (z, weighted, d_z) in _blocks(grad, r, r + 1, r):
        f_block = f[images, None, classes]
        torch.add(class_rows[:, classes], image_part[images, :, None], out=z).relu_()
        torch.mul(z, f_block, out=weighted[:, :r])
        weighted[:, r] = e[images, classes]  # rows: f z, and e as the last
        half_d_t_rows[:, classes] += weighted[:, :r].sum(0)
        d_gram_and_u = torch.bmm(z, weighted.mT)
        d_gram += d_gram_and_u[..., :r].sum(0)
        d_u[images] += d_gram_and_u[..., r]
        twice_gram_and_u = torch.cat([2 * gram.expand(len(z), r, r), u[images, :, None]], dim=2)
        torch.bmm(twice_gram_and_u, weighted, out=d_z).addcmul_(twice_t_rows[:, classes], f_block)
        d_hidden = d_z.mul_(z.sign_())  # relu's mask, as z >= 0
        d_class_rows[:, classes] += d_hidden.sum(0)
        d_image[images] += d_hidden.sum(2)
    return d_class_rows.mT, d_image, d_u, e, d_gram, 2 * half_d_t_rows.mT, f.sum(0)


def _blocks(pairs: Float[Tensor, "b c"], *widths: int) -> Iterator[tuple[slice, slice, list[Tensor]]]:
    """Covers all pairs with blocks: the images, the classes, and a buffer (images, width, classes) of each width.

    The buffers are the same memory in every block: fresh ones would cost more in page faults than the arithmetic does.
    """
    b, c = pairs.shape
    r = widths[0]
    numbers = CPU_BLOCK if pairs.device.type == "cpu" else ACCELERATOR_BLOCK
    columns = max(1, min(c, numbers // r))
    rows = max(1, min(b, numbers // (r * max(columns, r))))  # an image's own (r, r) matrix counts too
    buffers = [pairs.new_empty(rows * width * columns) for width in widths]
    for i, j in product(range(0, b, rows), range(0, c, columns)):
        height, length = min(rows, b - i), min(columns, c - j)
        shapes = [(height, width, length) for width in widths]
        views = [buffer[: math.prod(shape)].view(shape) for buffer, shape in zip(buffers, shapes, strict=True)]
        yield slice(i, i + height), slice(j, j + length), views


def _rounding_of(n: Float[Tensor, " c"]) -> Float[Tensor, " c"]:
    """What rounding leaves of a norm^2 that is zero: the terms that cancel are as large as n."""
    return 4 * torch.finfo(n.dtype).eps * n + 1e-24
