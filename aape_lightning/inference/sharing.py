"""Sharing over the Hugging Face Hub: `save_pretrained`, `from_pretrained` and `push_to_hub`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCard, ModelHubMixin

from aape_lightning.errors import CheckpointError, ExportError, reason
from aape_lightning.inference.card import model_card
from aape_lightning.inference.folder import FOLDER_FILES, read_folder, write_folder
from aape_lightning.inference.saved import SavedTask

if TYPE_CHECKING:
    from aape_lightning.inference.model import AdaptedCLIP

__all__ = ["Shareable", "fetch_folder", "push_folder"]


class Shareable(ModelHubMixin):
    """An object with a `SavedTask` that is written into a folder, read from one, and pushed to the Hub.

    `save_pretrained(folder)` writes `model.safetensors`, `config.json` and, where there is none, a model card;
    `push_to_hub("user/name")` uploads these. Both take `model_card_kwargs`, as `model_card` does: `results`, `licence`
    and `name`.

    Attributes:
        saved: The trained task; None where there is none.
    """

    saved: SavedTask | None

    def __new__(cls, *args: Any, **kwargs: Any) -> "Shareable":  # noqa: ANN401 - whatever the class takes
        """Make an object as Python does: the mixin would copy each argument to look whether JSON can hold it."""
        return object.__new__(cls)

    def _save_pretrained(self, save_directory: Path) -> None:
        write_folder(self._trained(), save_directory)

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:  # noqa: ANN401 - the mixin's own signature
        """The model card; arguments as for `aape_lightning.inference.card.model_card`."""
        return model_card(self._trained(), **kwargs)

    def _trained(self) -> SavedTask:
        if self.saved is None:
            raise CheckpointError("Zero-shot CLIP has nothing trained to share; load a run: aape_lightning.load(PATH).")
        return self.saved

    @classmethod
    def from_pretrained(  # type: ignore[override] # the mixin would hand the file's values to the constructor
        cls,
        source: str | Path,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        token: str | bool | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        **settings: Any,  # noqa: ANN401 - handed on
    ) -> "AdaptedCLIP":
        """Load what was shared.

        Args:
            source: A folder, or a repository of the Hub as `USER/NAME`.
            revision: Branch, tag or commit of the repository.
            cache_dir: Where downloads are kept; the Hub's own cache where None.
            token: Of the Hub, for private repositories.
            force_download: Whether to fetch what is in the cache.
            local_files_only: Whether to fetch nothing.
            settings: `backbone`, `language_model`, `device` and `batch_size`, as for `aape_lightning.load`.

        Raises:
            CheckpointError: If the folder or the repository cannot be had, or is not of this kind.
            BackboneNotFoundError: If the backbone cannot be had.
            BackboneMismatchError: If it has other weights than the one trained on.
        """
        from aape_lightning.inference.loading import load_saved

        folder = Path(source)
        if not folder.is_dir():
            folder = fetch_folder(
                str(source), revision=revision, cache_dir=cache_dir, token=token, force_download=force_download,
                local_files_only=local_files_only,
            )  # fmt: skip
        return load_saved(read_folder(folder), str(source), **settings)


def fetch_folder(repository: str, **how: Any) -> Path:  # noqa: ANN401 - as the Hub's client takes it
    """Download a shared task, and nothing else that its repository holds.

    Args:
        repository: As `USER/NAME`.
        how: As for `huggingface_hub.snapshot_download`.

    Raises:
        CheckpointError: If it cannot be had.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, allow_patterns=list(FOLDER_FILES), **how))
    except Exception as error:  # the Hub's client has a dozen kinds, and those of its own client for HTTP
        raise CheckpointError(
            f"{repository!r} is no folder here, and no repository that the Hugging Face Hub gives out "
            f"({reason(error)}). A private one needs a token (hf auth login); without a network, fetch it elsewhere: "
            f"hf download {repository} --local-dir FOLDER."
        ) from error


def push_folder(folder: Path, repository: str, *, private: bool | None = None) -> str:
    """Upload a folder's shared files in one commit, into a repository that is made where it is missing.

    Args:
        folder: As `write_folder` leaves it, with its card.
        repository: As `USER/NAME`.
        private: Whether a new repository is private; as its owner's settings say where None.

    Returns:
        The commit's address.

    Raises:
        ExportError: If the Hub refuses or does not answer.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        name = api.create_repo(repository, private=private, exist_ok=True).repo_id
        commit = api.upload_folder(
            repo_id=name, folder_path=folder, allow_patterns=list(FOLDER_FILES), commit_message="Share an AAPE model"
        )
    except Exception as error:  # the Hub's client has a dozen kinds, and those of its own client for HTTP
        raise ExportError(
            f"{repository!r} cannot be pushed to ({reason(error)}). Log in with: hf auth login. The files are in "
            f"{str(folder)!r}, and can be pushed again."
        ) from error
    return str(commit)
