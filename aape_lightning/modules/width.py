"""The width of a bottleneck, shared by every two-layer network of the method."""

__all__ = ["bottleneck_width"]


def bottleneck_width(embed_dim: int) -> int:
    """Hidden width r = max(32, d / 16) of the generator h and the projection g: 82k parameters together at d = 512.

    Example:
        >>> bottleneck_width(512), bottleneck_width(1024)
        (32, 64)
    """
    return max(32, embed_dim // 16)
