"""`load_language_model`: one door for names of the Hub, folders, and the weights that ship with the package."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch

from aape_lightning.errors import LanguageModelError, did_you_mean, listed, pasted, reason, shown
from aape_lightning.hub import ask_hub, is_strangers, knows_words, without_loading_bars
from aape_lightning.language.model import LanguageModel

__all__ = ["SHIPPED", "load_language_model", "refuse_unasked"]

SHIPPED = {"shapes-lm": Path(__file__).parent / "weights" / "shapes_lm"}

_REMEDY = (
    "A folder of a causal language model holds config.json, model.safetensors and tokenizer.json (or vocab.json and "
    "merges.txt, or tokenizer.model), as save_pretrained of the model and of its tokenizer write them."
)


def load_language_model(name: str, *, dtype: torch.dtype | Literal["auto"] = torch.float32) -> LanguageModel:
    """Load a frozen causal language model, on the CPU; one copy a process.

    Args:
        name: `shapes-lm`, a folder of transformers, or a name of the Hugging Face Hub such as `gpt2`. The Hub is asked
            only for what its cache on this machine lacks.
        dtype: What its weights are held in; `auto` leaves them as they were saved.

    Raises:
        LanguageModelError: If the name is unknown, the download fails, a file is missing or damaged, the tokeniser is
            another model's, or the model is no causal one.
    """
    return _load(name, dtype)


def refuse_unasked(name: object, source: str) -> None:
    """Refuse a language model that only a checkpoint names, where it would be downloaded from somebody's repository.

    Args:
        name: What the checkpoint names; nothing is done where it is no text, which the task refuses.
        source: The checkpoint, for the message.

    Raises:
        LanguageModelError: If it is such a one.
    """
    if not isinstance(name, str) or name in SHIPPED or Path(name).is_dir() or not is_strangers(name, "config.json"):
        return
    raise LanguageModelError(
        f"{source} asks for language model {shown(name)}, which would be downloaded from a repository that nobody here "
        "has named. If you trust it, name it yourself (--language-model; with --ckpt_path --model.language_model), or "
        f"get it first: hf download {pasted(name)}"
    )


@functools.lru_cache(maxsize=1)
def _load(name: str, dtype: torch.dtype | Literal["auto"]) -> LanguageModel:
    place = SHIPPED.get(name, Path(name))
    if place.is_dir():
        return _read(name, str(place), dtype, local=True)
    try:
        return _read(name, name, dtype, local=True)  # from the Hub's cache
    except LanguageModelError:
        _check_hub(name)
    return _read(name, name, dtype, local=False)


def _check_hub(name: str) -> None:
    try:
        ask_hub(name)
    except Exception as error:
        raise LanguageModelError(
            f"No language model {name!r}: it is neither {listed(SHIPPED)} nor a folder, not in the cache of the "
            f"Hugging Face Hub, and could not be downloaded ({reason(error)}).{did_you_mean(name, SHIPPED)} Where "
            "there is a network, get one with: hf download OWNER/MODEL --local-dir FOLDER; then name the folder. "
            "Without one, train one: aape fit --config causal_lm."
        ) from error


def _read(name: str, place: str, dtype: torch.dtype | Literal["auto"], *, local: bool) -> LanguageModel:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    causal: Any = AutoModelForCausalLM  # whose annotations do not know of the report
    where = {"local_files_only": local, "trust_remote_code": False}  # a checkpoint of a stranger's may name it
    with without_loading_bars():
        with _reading(f"config.json of language model {name!r}"):
            config = AutoConfig.from_pretrained(place, **where)
        with _reading(f"The weights of language model {name!r} (a {config.model_type})"):
            model, report = causal.from_pretrained(place, dtype=dtype, output_loading_info=True, **where)
        with _reading(f"The tokenizer of language model {name!r}"):
            tokenizer = AutoTokenizer.from_pretrained(place, padding_side="right", **where)
    if report["missing_keys"]:
        raise LanguageModelError(
            f"The weights of language model {name!r} lack {listed(sorted(report['missing_keys']), 3)}. {_REMEDY}"
        )
    embeddings = model.get_input_embeddings()
    if not knows_words(tokenizer, embeddings.num_embeddings):
        raise LanguageModelError(
            f"The tokenizer of language model {name!r} has {len(tokenizer)} tokens and the model "
            f"{embeddings.num_embeddings}: the tokenizer's files are missing or another model's. {_REMEDY}"
        )
    _ensure_padding(name, tokenizer)
    # A folder's own habits (beams, penalties, sampling) would change what a `Decoding` means.
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    context = min(getattr(config, "max_position_embeddings", tokenizer.model_max_length), tokenizer.model_max_length)
    return LanguageModel(
        name=name,
        model=model.eval().requires_grad_(False),
        tokenizer=tokenizer,
        width=int(embeddings.embedding_dim),
        context=int(context),
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


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # libraries raise a dozen kinds on files that are missing, damaged or of another kind
        raise LanguageModelError(f"{what} cannot be read ({reason(error)}). {_REMEDY}") from error
