"""Text models of sentence-transformers: they know better than CLIP's text tower what two sentences have in common."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from aape_lightning.errors import PromptError, listed, reason
from aape_lightning.hub import ask_hub, without_loading_bars
from aape_lightning.progress import track
from aape_lightning.prompts.review.flags import TEXT_MODEL

__all__ = ["TextModel", "load_text_model"]

_CHUNK = 1024  # sentences between two steps of the progress bar


class TextModel:
    """A frozen text model.

    Args:
        name: The name under which it was asked for.
        model: The `SentenceTransformer`.
    """

    def __init__(self, name: str, model: Any) -> None:  # noqa: ANN401 - sentence-transformers comes late
        self.name = name
        self._model = model.eval().requires_grad_(False)

    def encode(self, texts: Sequence[str]) -> Float[Tensor, "m d"]:
        """Unit-norm float32 embeddings of texts, on the CPU; texts beyond the model's context are cut."""
        chunks = [list(texts[start : start + _CHUNK]) for start in range(0, len(texts), _CHUNK)]
        return torch.cat([self._encode(chunk) for chunk in track(chunks, "embedding sentences", quiet_below=2)])

    def _encode(self, texts: list[str]) -> Tensor:
        embeddings: Tensor = self._model.encode(
            texts, convert_to_tensor=True, normalize_embeddings=True, show_progress_bar=False
        )
        return embeddings.float().cpu()


def load_text_model(name: str) -> TextModel:
    """Load a text model, onto the GPU where there is one.

    Args:
        name: A folder that holds a sentence-transformers model, or a name of the Hugging Face Hub; names without an
            owner are those of sentence-transformers. The Hub is asked only for what its cache on this machine lacks.

    Raises:
        PromptError: If the folder holds no such model, or the name is neither cached nor to be downloaded.
    """
    try:
        return _load(name, local_files_only=True)
    except Exception as error:  # transformers and safetensors raise a dozen kinds on what is no model
        if Path(name).is_dir():
            raise PromptError(
                f"The folder {name!r} (--text-model) holds no text model of sentence-transformers: {reason(error)}"
            ) from error
    try:
        ask_hub(name if "/" in name else f"sentence-transformers/{name}")
        return _load(name, local_files_only=False)
    except Exception as error:
        raise PromptError(
            f"The text model {name!r} (--text-model) is neither a folder nor in the cache of the Hugging Face Hub, and "
            f"could not be downloaded ({reason(error)}). Where there is a network, get one with: hf download "
            f"sentence-transformers/{TEXT_MODEL} --local-dir FOLDER; then name it: --text-model FOLDER."
        ) from error


def _load(name: str, *, local_files_only: bool) -> TextModel:
    from sentence_transformers import SentenceTransformer

    with without_loading_bars():
        _refuse_other_classes(Path(name) / "modules.json")
        model = SentenceTransformer(name, local_files_only=local_files_only, trust_remote_code=False)
        return TextModel(name, model)


def _refuse_other_classes(modules: Path) -> None:
    """Refuse a folder that names classes of others: sentence-transformers 5 imports them, unlike those of the Hub."""
    if not modules.is_file():
        return
    kinds = [str(entry["type"]) for entry in json.loads(modules.read_text(encoding="utf-8"))]
    if others := [kind for kind in kinds if not kind.startswith("sentence_transformers.")]:
        raise ValueError(f"its modules.json names classes to import: {listed(others)}")
