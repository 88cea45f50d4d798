"""In which order methods are shown, and which of them the others are compared with."""

from collections.abc import Iterable

from aape_lightning.errors import ResultError, did_you_mean, listed

__all__ = ["DEFAULT_REFERENCE", "choose_reference", "last_method", "method_order"]

DEFAULT_REFERENCE = "aape"

# Training-free, then adapters of the features, then prompts by the year of their papers.
_BASELINES = (
    "zero-shot",
    "clip-retrieval",
    "template-ensemble",
    "prompt-mean",
    "tip-adapter",
    "linear-probe",
    "clip-adapter",
    "tip-adapter-f",
    "coop",
    "coop-16",
    "cocoop",
    "kgcoop",
    "prograd",
    "maple",
    "promptsrc",
)
_LITERAL = ("aape-literal-no-distill", "aape-literal", "aape-full", "aape-paper")
_CLOSEST = (
    "aape-names",
    "aape-h-only",
    "aape-random",
    "aape-mean",
    "aape-mlp",
    "aape-query-mean",
    "aape-no-distill",
    "aape",
)


def method_order(names: Iterable[str]) -> list[str]:
    """Each method once: baselines, training-free ones first; others by name; AAPE's variants, AAPE itself last.

    Example:
        >>> method_order(["aape", "aape-literal", "zero-shot", "coop", "mine"])
        ['zero-shot', 'coop', 'mine', 'aape-literal', 'aape']
        >>> method_order(["limber-aape", "limber-aape-trained", "limber-embedding", "limber"])
        ['limber', 'limber-embedding', 'limber-aape-trained', 'limber-aape']
    """
    return sorted(set(names), key=_place)


def _place(name: str) -> tuple[int, int, str]:
    for rank, group in ((0, _BASELINES), (2, _LITERAL), (4, _CLOSEST)):
        if name in group:
            return rank, group.index(name), name
    if name.startswith("aape") or "-aape" in name:  # the more words, the further a variant is from the method itself
        return 3, -name.count("-"), name
    return 1, 0, name


def choose_reference(methods: Iterable[str], asked: str | None = None) -> str | None:
    """The method that the others are compared with: the one asked for, else `aape`, else none.

    Raises:
        ResultError: If the one asked for has no result.
    """
    known = method_order(methods)
    if asked is None:
        return DEFAULT_REFERENCE if DEFAULT_REFERENCE in known else None
    if asked not in known:
        raise ResultError(
            f"No result of the reference method {asked!r}; there are {listed(known)}.{did_you_mean(asked, known)} "
            "Choose one of them with --reference."
        )
    return asked


def last_method(methods: Iterable[str], asked: str | None = None) -> str:
    """As `choose_reference`, but the last in order of display where neither one is asked for nor `aape` is there.

    Raises:
        ResultError: If the one asked for has no result.
    """
    known = method_order(methods)
    return choose_reference(known, asked) or known[-1]
