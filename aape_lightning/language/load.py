"""`load_language_model`: one door for names of the Hub, folders, and the weights that ship with the package."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from aape_lightning.backbones.fingerprints import PROBES, fingerprint
from aape_lightning.errors import LanguageModelError, did_you_mean, listed
from aape_lightning.language.model import LanguageModel
from aape_lightning.language.quiet import without_bars

__all__ = ["SHIPPED", "load_language_model"]

SHIPPED = {"shapes-lm": Path(__file__).parent / "weights" / "shapes_lm"}

_PATIENCE = 10.0  # seconds in which the Hub must answer
# What changes a model's numbers and is not to be seen in its weights.
_ARCHITECTURE = ("model_type", "num_attention_heads", "hidden_act", "activation_function", "layer_norm_epsilon")
_REMEDY = (
    "A folder of a causal language model holds config.json, model.safetensors and tokenizer.json (or vocab.json and "
    "merges.txt, or tokenizer.model), as save_pretrained of the model and of its tokenizer write them."
)


def load_language_model(name: str, *, dtype: torch.dtype = torch.float32) -> LanguageModel:
    """Load a frozen causal language model, on the CPU; one copy a process.

    Args:
        name: `shapes-lm`, a folder of transformers, or a name of the Hugging Face Hub such as `gpt2`. The Hub is asked
            only for what its cache on this machine lacks.
        dtype: What its weights are held in.

    Raises:
        LanguageModelError: If the name is unknown, the download fails, a file is missing or damaged, the tokeniser is
            another model's, or the model is no causal one.
    """
    return _load(name, dtype)


@functools.lru_cache(maxsize=1)
def _load(name: str, dtype: torch.dtype) -> LanguageModel:
    place = SHIPPED.get(name, Path(name))
    if place.is_dir():
        return _read(name, str(place), dtype, local=True)
    try:
        return _read(name, name, dtype, local=True)  # from the Hub's cache
    except LanguageModelError:
        _ask_hub(name)
    return _read(name, name, dtype, local=False)


def _ask_hub(name: str) -> None:
    """Fail at once where the Hub does not know the name or does not answer: the loader would try for a minute."""
    import huggingface_hub

    try:
        huggingface_hub.model_info(name, timeout=_PATIENCE)
    except Exception as error:  # the client raises a dozen kinds, and requests' own
        raise LanguageModelError(
            f"No language model {name!r}: it is neither {listed(SHIPPED)} nor a folder, not in the cache of the "
            f"Hugging Face Hub, and could not be downloaded ({_first_line(error)}).{did_you_mean(name, SHIPPED)} Where "
            "there is a network, get one with: hf download OWNER/MODEL --local-dir FOLDER; then name the folder. "
            "Without one, train one: aape fit --config causal_lm."
        ) from error


def _read(name: str, place: str, dtype: torch.dtype, *, local: bool) -> LanguageModel:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    causal: Any = AutoModelForCausalLM  # whose annotations do not know of the report
    with without_bars() if local else nullcontext():
        with _reading(f"config.json of language model {name!r}"):
            config = AutoConfig.from_pretrained(place, local_files_only=local)
        with _reading(f"The weights of language model {name!r} (a {config.model_type})"):
            model, report = causal.from_pretrained(place, dtype=dtype, output_loading_info=True, local_files_only=local)
        with _reading(f"The tokenizer of language model {name!r}"):
            tokenizer = AutoTokenizer.from_pretrained(place, padding_side="right", local_files_only=local)
    if report["missing_keys"]:
        raise LanguageModelError(
            f"The weights of language model {name!r} lack {listed(sorted(report['missing_keys']), 3)}. {_REMEDY}"
        )
    embeddings = model.get_input_embeddings()
    _require_words(name, tokenizer, embeddings.num_embeddings)
    _ensure_padding(name, tokenizer)
    model.generation_config.pad_token_id = tokenizer.pad_token_id  # else `generate` says at each call that it chose one
    context = min(getattr(config, "max_position_embeddings", tokenizer.model_max_length), tokenizer.model_max_length)
    return LanguageModel(
        name=name,
        fingerprint=_fingerprint(model, tokenizer),
        model=model.eval().requires_grad_(False),
        tokenizer=tokenizer,
        width=int(embeddings.embedding_dim),
        context=int(context),
    )


def _require_words(name: str, tokenizer: Any, vocab_size: int) -> None:  # noqa: ANN401
    """Refuse another model's tokeniser, and the one that knows no words that transformers makes of missing files."""
    if len(tokenizer) > vocab_size or set(tokenizer("a photo of a dog").input_ids) <= set(tokenizer.all_special_ids):
        raise LanguageModelError(
            f"The tokenizer of language model {name!r} has {len(tokenizer)} tokens and the model {vocab_size}: the "
            f"tokenizer's files are missing or another model's. {_REMEDY}"
        )


def _ensure_padding(name: str, tokenizer: Any) -> None:  # noqa: ANN401
    """Let the end token stand in for a missing padding token: no vocabulary grows, and masks say which is which."""
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise LanguageModelError(
                f"The tokenizer of language model {name!r} has neither a padding nor an end token. Name its eos_token "
                "in tokenizer_config.json."
            )
        tokenizer.pad_token = tokenizer.eos_token


def _fingerprint(model: Any, tokenizer: Any) -> str:  # noqa: ANN401
    settings = {key: getattr(model.config, key, None) for key in _ARCHITECTURE}
    # `verbose` is the tokeniser's own switch for its warning about texts beyond the context.
    return fingerprint(model.state_dict(), settings | {"tokens": tokenizer(list(PROBES), verbose=False).input_ids})


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # libraries raise a dozen kinds on files that are missing, damaged or of another kind
        raise LanguageModelError(f"{what} cannot be read ({_first_line(error)}). {_REMEDY}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].removesuffix(".")
