"""What all that loads models of Hugging Face's libraries has in common: quiet loading, a quick answer from the Hub."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["ask_hub", "is_strangers", "knows_words", "without_loading_bars"]

_PATIENCE = 10.0  # seconds in which the Hub must answer


def ask_hub(name: str) -> None:
    """Fail at once where the Hub does not know a name or does not answer: its loaders would try for a minute.

    Args:
        name: A repository, as `OWNER/MODEL`.

    Raises:
        Exception: Whatever the Hub's client raises; it has a dozen kinds, and those of its own client for HTTP.
    """
    import huggingface_hub

    huggingface_hub.model_info(name, timeout=_PATIENCE)


def is_strangers(repository: str, file: str, folder: str | None = None) -> bool:
    """Whether a name of the Hub is somebody's, and this machine has not got it: to load it would download it.

    Args:
        repository: The name; one without an owner is of the Hub's own.
        file: A file that every such repository has.
        folder: The Hub's cache; its usual place where None.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    if "/" not in repository:
        return False
    try:
        return not isinstance(try_to_load_from_cache(repository, file, cache_dir=folder), str)
    except HFValidationError:  # a path that is none of this machine
        return True


def knows_words(tokenizer: Any, vocab_size: int) -> bool:  # noqa: ANN401 - transformers has one class a model
    """Whether a tokeniser belongs to a model of this many tokens, and is not the empty one made of missing files."""
    words = set(tokenizer("a photo of a dog").input_ids)
    return len(tokenizer) <= vocab_size and not words <= set(tokenizer.all_special_ids)


@contextmanager
def without_loading_bars() -> Iterator[None]:
    """Without the bars that transformers draws while weights go between a file and memory; downloads keep theirs."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging

    loading, downloads = logging.is_progress_bar_enabled(), not are_progress_bars_disabled()
    logging.disable_progress_bar()  # which switches off both
    if downloads:
        enable_progress_bars()
    try:
        yield
    finally:
        if loading:
            logging.enable_progress_bar()
        if not downloads:
            disable_progress_bars()
