"""Blocks of tokens for a causal language model, and the tokeniser that they are made by."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, TypedDict

import torch
from jaxtyping import Bool, Int
from lightning.pytorch import LightningDataModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from aape_lightning.data.loading import LateLoader
from aape_lightning.data.samplers import EpochSampler, EvalSampler, refuse_idle_processes, replicas
from aape_lightning.data.shapes.chance import random_of, shuffled
from aape_lightning.data.text_sources import Document, read_documents
from aape_lightning.errors import DataError
from aape_lightning.language.build import train_tokenizer

__all__ = ["TextBatch", "TextDataModule"]


class TextBatch(TypedDict):
    """Blocks of texts, each text followed by the end token.

    Attributes:
        tokens: The blocks, padded on the right where the last one is not full.
        mask: True at every token but padding.
    """

    tokens: Int[Tensor, "b t"]
    mask: Bool[Tensor, "b t"]


class TextDataModule(LightningDataModule):
    """Texts packed into blocks as long as the context; documents, and the texts within each, come in new orders.

    The tokeniser is trained on the documents that are trained on, and on no others.

    Args:
        sources: Text files, and manifests of captions or questions, as for `read_documents`.
        root: The data root of the manifests.
        vocab_size: Size of the vocabulary at the most.
        context: Length of a block in tokens: the most that the model will take at once.
        batch_size: Blocks a step and process.
        held_out: Share that is held out of sources without a validation part.
        seed: Seed of the orders.

    Raises:
        DataError: If no source is named, or a size is below 1.
    """

    def __init__(
        self,
        sources: list[str],
        *,
        root: str | None = None,
        vocab_size: int = 1000,
        context: int = 256,
        batch_size: int = 16,
        held_out: float = 0.05,
        seed: int = 1,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        if not sources:
            raise DataError("No text is named: --data.sources '[FILE.txt]', or manifests of captions or questions.")
        for name, value in (("context", context), ("batch_size", batch_size)):
            if value < 1:
                raise DataError(f"{name} is {value}; it must be at least 1.")
        self.tokenizer: Any = None

    def setup(self, stage: str | None = None) -> None:
        """Read the texts and train the tokeniser, once."""
        if self.tokenizer is not None:
            return
        hparams = self.hparams
        train, held = read_documents(hparams["sources"], hparams["root"], hparams["held_out"])
        self.tokenizer = train_tokenizer(chain.from_iterable(train), hparams["vocab_size"], hparams["context"])
        self._train, self._held = self._packed(train), self._packed(held)

    def _packed(self, documents: list[Document]) -> "_Packed":
        end = self.tokenizer.eos_token_id
        tokens = [
            [[*ids, end] for ids in self.tokenizer(document, add_special_tokens=False, verbose=False).input_ids]
            for document in documents
        ]
        return _Packed(tokens, self.hparams["context"], self.tokenizer.pad_token_id, self.hparams["seed"])

    def train_dataloader(self) -> DataLoader[TextBatch]:
        """Blocks of the texts in an order of each epoch's own."""
        batch_size, trainer = self.hparams["batch_size"], self.trainer
        sampler = _Blocks(len(self._train), batch_size, trainer=trainer, **replicas(trainer))
        return LateLoader(self._train, batch_size=batch_size, sampler=sampler)

    def val_dataloader(self) -> DataLoader[TextBatch]:
        """Blocks of the texts that are held out, always the same and each once."""
        sampler = EvalSampler(len(self._held), **replicas(self.trainer))
        return DataLoader(self._held, batch_size=self.hparams["batch_size"], sampler=sampler)


class _Packed(Dataset[TextBatch]):
    """Item (epoch, block): a block of the texts as that epoch puts them in order."""

    def __init__(self, documents: list[list[list[int]]], context: int, padding: int, seed: int) -> None:
        self.documents = documents
        self.context = context
        self.padding = padding
        self.seed = seed
        self.count = sum(len(text) for document in documents for text in document)
        self._epoch = -1
        self._stream = torch.empty(0, dtype=torch.long)

    def __len__(self) -> int:
        return -(-self.count // self.context)

    def __getitem__(self, place: tuple[int, int]) -> TextBatch:
        epoch, block = place
        start = block * self.context
        tokens = self._in_order(epoch)[start : start + self.context]
        return {"tokens": tokens, "mask": torch.arange(start, start + self.context) < self.count}

    def _in_order(self, epoch: int) -> Int[Tensor, " n"]:
        if epoch != self._epoch:
            random = random_of(f"texts {self.seed} {epoch}")
            texts = [text for document in shuffled(random, self.documents) for text in shuffled(random, document)]
            padding = [self.padding] * (len(self) * self.context - self.count)
            self._stream = torch.tensor([*chain.from_iterable(texts), *padding])
            self._epoch = epoch
        return self._stream


class _Blocks(EpochSampler[tuple[int, int]]):
    """This process's blocks of an epoch, as many as every other's; the texts in them are in random order already.

    Raises:
        DataError: If there are fewer blocks than processes.
    """

    def __init__(
        self, count: int, batch_size: int, *, num_replicas: int, rank: int, trainer: Trainer | None = None
    ) -> None:
        super().__init__(trainer)
        refuse_idle_processes(count, num_replicas, "blocks of text")
        each = count // num_replicas
        self.mine = range(rank, each * num_replicas, num_replicas)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return len(self.mine)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, block) for block in self.mine[self.behind() * self.batch_size :])
