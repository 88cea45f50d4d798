"""The prompt bank: every sentence's embedding, ragged by key, kept on the device and gathered there.

A key is a class (sentences from a language model) or an image (its captions). On disk a bank is one safetensors file
that is bound to the backbone and the texts by their fingerprints. Opening it reads the keys and the texts, and looks
once whether the embeddings are numbers; they are memory-mapped. In the cache it is built by any number of processes
(see `aape_lightning.shards`).
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn import functional as F

from aape_lightning.backbones import Backbone
from aape_lightning.errors import BackboneMismatchError, PromptError
from aape_lightning.files import atomic_path, is_listed, writing
from aape_lightning.locks import has_locks, locked, partial_folder
from aape_lightning.prompts.bank_checks import check_parts, packed_texts
from aape_lightning.prompts.embedding import embed_texts, embed_texts_together, text_shards
from aape_lightning.tensor_files import save_tensors

__all__ = ["PromptBank", "open_or_build_bank"]

_FORMAT = "aape-prompt-bank-2"
_TEXTS = ("offsets", "texts", "keys")
_REMEDY = "Remove it; it is built again from the sentences with: aape cache build --recipe RECIPE"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True)
class PromptBank:
    """Sentence embeddings by key.

    Attributes:
        embeddings: All sentences' unit-norm embeddings, key after key.
        offsets: Key k's sentences are `embeddings[offsets[k]:offsets[k + 1]]`.
        keys: The keys, in order.
        texts: The sentences, in the order of `embeddings`.
    """

    embeddings: Float[Tensor, "m d"]
    offsets: Int[Tensor, " k1"]
    keys: list[str]
    texts: list[str]

    @classmethod
    def build(cls, backbone: Backbone, sentences: Mapping[str, Sequence[str]], device: torch.device) -> "PromptBank":
        """Embed sentences by key, as `embed_texts` does; texts beyond the backbone's context are cut."""
        texts = _texts(sentences)
        return cls(embed_texts(backbone, texts, device), _offsets(sentences), list(sentences), texts)

    @cached_property
    def _table(self) -> tuple[Int[Tensor, "k n"], Bool[Tensor, "k n"]]:
        """Row numbers of each key's sentences, padded with a row of its own, and which are sentences."""
        counts = self.offsets.diff()
        position = torch.arange(int(counts.max()), device=self.offsets.device)
        mask = position < counts[:, None]
        return self.offsets[:-1, None] + position * mask, mask

    @property
    def owner(self) -> Int[Tensor, " m"]:
        """The position in `keys` that each sentence belongs to."""
        places = torch.arange(len(self.keys), device=self.offsets.device)
        return torch.repeat_interleave(places, self.offsets.diff())

    def gather(self, keys: Int[Tensor, " b"]) -> tuple[Float[Tensor, "b n d"], Bool[Tensor, "b n"]]:
        """The sentences of each key, padded to the longest key of the bank, and the mask of what is a sentence."""
        table, mask = self._table
        rows = table[keys]
        # In half the time of indexing by a table: whole rows are copied.
        prompts = self.embeddings.index_select(0, rows.flatten()).unflatten(0, rows.shape)
        return prompts, mask[keys]

    def means(self) -> Float[Tensor, "k d"]:
        """Each key's mean sentence embedding, normalised (CuPL's rule)."""
        prompts, mask = self.gather(torch.arange(len(self.keys), device=self.offsets.device))
        return F.normalize((prompts * mask[..., None]).sum(1), dim=-1)

    def sentences(self, key: str) -> list[str]:
        """The sentences of one key, in order."""
        k = self.keys.index(key)
        return self.texts[int(self.offsets[k]) : int(self.offsets[k + 1])]

    def to(self, device: torch.device) -> "PromptBank":
        """The same bank on a device."""
        return type(self)(self.embeddings.to(device), self.offsets.to(device), self.keys, self.texts)

    def select(self, keys: Sequence[str]) -> "PromptBank":
        """The bank of some keys, in their order."""
        place = {key: k for k, key in enumerate(self.keys)}
        rows = [range(int(self.offsets[place[key]]), int(self.offsets[place[key] + 1])) for key in keys]
        flat = [row for group in rows for row in group]
        offsets = torch.tensor([0, *map(len, rows)]).cumsum(0)
        return type(self)(self.embeddings[flat], offsets, list(keys), [self.texts[row] for row in flat])

    def save(self, path: Path, backbone: Backbone) -> None:
        """Write the bank as safetensors, bound to its backbone and with hashes of all it holds; whole or not at all."""
        tensors = {
            "embeddings": self.embeddings.contiguous(),
            "offsets": self.offsets,
            "texts": _pack(self.texts),
            "keys": _pack(self.keys),
        }
        metadata = {"format": _FORMAT, "backbone": backbone.fingerprint, "backbone_name": backbone.name}
        hashes = {"texts": _hash(tensors[name] for name in _TEXTS), "embeddings": _hash([self.embeddings])}
        with atomic_path(path) as temporary:
            save_tensors(tensors, temporary, metadata | hashes)

    @classmethod
    def open(cls, path: Path, backbone: Backbone, *, verify: bool = False) -> "PromptBank":
        """Open a bank; its embeddings stay on disk until they are used.

        Args:
            path: The file.
            backbone: The encoder that must have made it.
            verify: Check the embeddings too against their hash.

        Raises:
            PromptError: If the file is missing, damaged, or not a bank, or an embedding is a NaN, an infinity, or only
                zeros.
            BackboneMismatchError: If another backbone made it.
        """
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != _FORMAT:
                    raise PromptError(f"{str(path)!r} is a safetensors file, but no prompt bank. {_REMEDY}")
                tensors = {name: file.get_tensor(name) for name in ("embeddings", *_TEXTS)}
            made_with, name = metadata["backbone"], metadata["backbone_name"]
            hashes = (metadata["texts"], metadata["embeddings"])
            found = (_hash(tensors[part] for part in _TEXTS), _hash([tensors["embeddings"]]) if verify else hashes[1])
            if found != hashes:
                raise PromptError(f"{str(path)!r} is damaged: it does not hold what was written into it. {_REMEDY}")
            keys, texts = packed_texts(tensors["keys"]), packed_texts(tensors["texts"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise PromptError(f"{str(path)!r} cannot be read as a prompt bank ({error}). {_REMEDY}") from error
        if made_with != backbone.fingerprint:
            raise BackboneMismatchError(
                f"The prompt bank {str(path)!r} was made with backbone {name!r} (weights "
                f"{made_with[:12]}), and this run uses {backbone.name!r} (weights "
                f"{backbone.fingerprint[:12]}). Build one for it: pass the sentences (JSON) as --data.prompts."
            )
        try:
            check_parts(tensors, keys, texts, backbone.embed_dim)
        except ValueError as error:
            raise PromptError(f"{str(path)!r} cannot be read as a prompt bank ({error}). {_REMEDY}") from error
        return cls(tensors["embeddings"], tensors["offsets"], keys, texts)


def _texts(sentences: Mapping[str, Sequence[str]]) -> list[str]:
    return [text for group in sentences.values() for text in group]


def _offsets(sentences: Mapping[str, Sequence[str]]) -> Int[Tensor, " k1"]:
    return torch.tensor([0, *map(len, sentences.values())]).cumsum(0)


def _hash(tensors: Iterable[Tensor]) -> str:
    """Hash of some tensors' bytes."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _pack(texts: Sequence[str]) -> Tensor:
    """Texts as one tensor of bytes, since safetensors holds tensors only."""
    return torch.frombuffer(bytearray(json.dumps(list(texts), ensure_ascii=False).encode()), dtype=torch.uint8)


def open_or_build_bank(
    backbone: Backbone, sentences: Mapping[str, Sequence[str]], folder: Path, device: torch.device
) -> PromptBank:
    """The bank of these sentences under this backbone, from the cache folder, built there when it is missing.

    A build that was interrupted goes on. Processes that ask for the same bank build it together, no sentence twice, and
    one of them writes it.

    Raises:
        PromptError: If the bank on disk is damaged, or what is half-built is removed during the build.
        DataError: If the disk has no room for the embeddings.
        StorageError: If the folder is read-only, or is removed meanwhile.
    """
    key = _digest([_FORMAT, backbone.fingerprint, {name: list(texts) for name, texts in sentences.items()}])
    path = folder / f"{key[:24]}.safetensors"
    if path.is_file():
        shutil.rmtree(path.with_suffix(".partial"), ignore_errors=True)  # left where a kill came right after the end
    else:
        with writing(path):
            folder.mkdir(parents=True, exist_ok=True)
        shared = has_locks(folder)
        with partial_folder(path, shared=shared) as partial:
            _build_bank(path, partial, backbone, sentences, device, shared=shared)
    return PromptBank.open(path, backbone, verify=True)


def _build_bank(
    path: Path,
    partial: Path,
    backbone: Backbone,
    sentences: Mapping[str, Sequence[str]],
    device: torch.device,
    *,
    shared: bool,
) -> None:
    lock, doing = path.with_suffix(".lock"), f"works on the prompt bank {str(path)!r}"
    texts = _texts(sentences)
    array = text_shards(partial / "embeddings.npy", backbone, texts, taken=path.is_file, alone=not shared)
    with locked(lock, doing):
        if is_listed(path):
            return
        array.prepare()
    embed_texts_together(array, backbone, texts, device)
    with locked(lock, doing):
        if not is_listed(path):
            if not array.is_whole:
                raise PromptError(
                    f"The half-built prompt bank {str(partial)!r} was removed during the build. Begin again with: aape "
                    "cache build --recipe RECIPE"
                )
            embeddings = torch.from_numpy(np.load(array.path, mmap_mode="c"))
            PromptBank(embeddings, _offsets(sentences), list(sentences), texts).save(path, backbone)
        shutil.rmtree(partial, ignore_errors=True)
