"""sentence-transformers' CLIP models: a transformers CLIP, and the list of modules that says where it lies."""

import json
import os
from pathlib import Path

from aape_lightning.backbones.checks import reading
from aape_lightning.backbones.transformers import TransformersBackbone, load_transformers
from aape_lightning.errors import BackboneNotFoundError, shown
from aape_lightning.formats.inside import leads_out

__all__ = ["load_sentence_transformers"]

_REMEDY = (
    "sentence-transformers' CLIP models are st:clip-ViT-B-32, st:clip-ViT-B-16 and st:clip-ViT-L-14, downloaded on "
    "first use. Where there is no network, download one elsewhere (hf download sentence-transformers/NAME --local-dir "
    "FOLDER) and pass st:FOLDER."
)


def load_sentence_transformers(name: str) -> TransformersBackbone:
    """Load a CLIP of sentence-transformers, on the CPU in float32.

    It is the same CLIP as transformers', so the same weights from either have one fingerprint.

    Args:
        name: `st:` and a name on the Hugging Face Hub (of the organisation sentence-transformers where it names none),
            or a folder. Downloads go to `$SENTENCE_TRANSFORMERS_HOME`, where it is set, or the Hub's own cache.

    Raises:
        BackboneNotFoundError: If it cannot be found or read, or is a text model.
    """
    place = name.removeprefix("st:")
    if Path(place).is_dir():
        return load_transformers(name, str(Path(place) / _clip_module(name, Path(place) / "modules.json")))
    repository = place if "/" in place else f"sentence-transformers/{place}"
    try:
        # Without a network the Hub's client would try again for half a minute a file before it looks into its cache.
        return _from_hub(name, repository, local_files_only=True)
    except BackboneNotFoundError:
        return _from_hub(name, repository, local_files_only=False)


def _from_hub(name: str, repository: str, *, local_files_only: bool) -> TransformersBackbone:
    from huggingface_hub import hf_hub_download

    cache = os.environ.get("SENTENCE_TRANSFORMERS_HOME")
    with reading(f"modules.json of backbone {name!r}", _REMEDY):
        modules = hf_hub_download(repository, "modules.json", cache_dir=cache, local_files_only=local_files_only)
    folder = _clip_module(name, Path(modules))
    return load_transformers(name, repository, subfolder=folder, cache_dir=cache, local_files_only=local_files_only)


def _clip_module(name: str, modules: Path) -> str:
    """The subfolder of the only module that computes, where the list of modules is that of a CLIP."""
    with reading(f"modules.json of backbone {name!r}", _REMEDY):
        entries = json.loads(modules.read_text(encoding="utf-8"))
        kinds = [entry["type"].rsplit(".", maxsplit=1)[-1] for entry in entries]
        folder = entries[0]["path"]
        if not isinstance(folder, str) or leads_out(folder):
            raise ValueError(f"a module lies at {shown(folder)}, and should lie in the folder")
    # Releases before 5.4 wrote CLIPModel; embeddings are normalised here in any case.
    if kinds[0] not in ("CLIPModel", "Transformer") or set(kinds[1:]) - {"Normalize"}:
        raise BackboneNotFoundError(
            f"Backbone {name!r} is not a CLIP but a model of the modules {', '.join(kinds)[:200]}. {_REMEDY}"
        )
    return folder
