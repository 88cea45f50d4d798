"""Which examples of a test are kept to be shown."""

__all__ = ["spread"]


def spread(count: int, shown: int) -> list[int]:
    """Positions spread evenly over so many, the same for every method and seed.

    Example:
        >>> spread(100, 4)
        [12, 37, 62, 87]
        >>> spread(2, 4)
        [0, 1]
    """
    return [(2 * k + 1) * count // (2 * shown) for k in range(shown)] if count > shown else list(range(count))
