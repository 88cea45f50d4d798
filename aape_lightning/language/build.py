"""Small causal language models from nothing: a byte-level BPE tokeniser, GPT-2's architecture, and their files."""

import copy
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import nn

from aape_lightning.errors import LanguageModelError
from aape_lightning.files import atomic_path
from aape_lightning.hub import without_loading_bars

__all__ = ["END", "new_language_model", "save_language_model", "train_tokenizer"]

END = "<|endoftext|>"
_PADDING = "<|padding|>"  # a token of its own, so that whoever masks padding by its number masks no end of a text
_LEAST_VOCABULARY = 256 + 2  # every byte, so that any text can be written, and the two tokens above


def train_tokenizer(texts: Iterable[str], vocab_size: int, context: int) -> Any:  # noqa: ANN401 - transformers is late
    """A byte-level BPE tokeniser of transformers, as GPT-2's is; any text comes back from its tokens unchanged.

    Args:
        texts: What its merges are learned from; the same texts give the same tokeniser.
        vocab_size: Its size at the most; few texts give fewer tokens.
        context: The most tokens that its model takes at once.

    Raises:
        LanguageModelError: If the vocabulary has no room for every byte.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    if vocab_size < _LEAST_VOCABULARY:
        raise LanguageModelError(
            f"vocab_size is {vocab_size}; every byte and two special tokens take {_LEAST_VOCABULARY}."
        )
    tokenizer: Any = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END, _PADDING],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END,
        eos_token=END,
        pad_token=_PADDING,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def new_language_model(
    tokenizer: Any,  # noqa: ANN401
    *,
    width: int,
    layers: int,
    heads: int,
    context: int,
    dropout: float = 0.0,
) -> nn.Module:
    """An untrained `GPT2LMHeadModel`, whose input and output embeddings are one.

    Args:
        tokenizer: The tokeniser that its vocabulary is of.
        width: Width of its embeddings.
        layers: Number of its layers.
        heads: Attention heads in each.
        context: The most tokens that it takes at once.
        dropout: Chance to drop a value while it is trained.

    Raises:
        LanguageModelError: If the width is no multiple of the number of heads.
    """
    from transformers import GPT2Config, GPT2LMHeadModel

    if width % heads:
        raise LanguageModelError(f"width is {width} and heads {heads}; the width must be a multiple of the heads.")
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_positions=context,
            n_embd=width,
            n_layer=layers,
            n_head=heads,
            embd_pdrop=dropout,
            resid_pdrop=dropout,
            attn_pdrop=0.0,  # dropped attention weights forgo the fused attention, and cost half of a step on a CPU
            activation_function="gelu_pytorch_tanh",  # GPT-2's own in one kernel
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def save_language_model(model: nn.Module, tokenizer: Any, folder: Path) -> None:  # noqa: ANN401
    """Write a folder of transformers, in half precision; each of its files is whole, and the config comes last.

    Args:
        model: The model; it keeps its precision.
        tokenizer: Its tokeniser.
        folder: Where to; made when it is missing, and files of the same names are replaced.
    """
    half: Any = copy.deepcopy(model).half()
    with tempfile.TemporaryDirectory() as place, without_loading_bars():
        tokenizer.save_pretrained(place)
        half.save_pretrained(place)
        for file in sorted(Path(place).iterdir(), key=lambda path: path.name == "config.json"):
            with atomic_path(folder / file.name) as temporary:
                shutil.copyfile(file, temporary)
