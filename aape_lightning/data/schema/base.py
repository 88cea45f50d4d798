"""What every manifest has: the dataset's name, where its files lie, its terms, and where to get it."""

from pathlib import PurePath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from aape_lightning.formats.inside import leads_out

__all__ = ["InnerPath", "Manifest", "Strict"]


def _inner(path: str) -> str:
    if leads_out(path):
        raise ValueError(f"{path!r} leads out of the dataset's folder: paths are relative, without '..'")
    return path


InnerPath = Annotated[str, AfterValidator(_inner)]


class Strict(BaseModel):
    """A part of a manifest: it cannot be changed, and a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Manifest(Strict):
    """What every dataset has.

    Attributes:
        kind: What is in it: `classes`, `captions` or `questions`.
        name: Short name, CoOp's where CoOp has one.
        title: Full name; the short name where absent.
        root: The data root that the manifest's paths are relative to, where no other is given: relative to the
            manifest's own folder, or absolute.
        folder: Folder names under the data root, in order of preference; empty where the files lie in the root itself.
        images: Image folders inside the dataset's folder, in order of preference, to which the split's paths are
            relative; `../OTHER` is that of another dataset under the same data root.
        licence: Terms of use.
        source: Where to get it.
        counts: What it must hold.
    """

    kind: str = "classes"
    name: str
    title: str = ""
    root: str | None = None
    folder: list[InnerPath] = []
    images: list[str] = Field(default=["."], min_length=1)
    licence: str = ""
    source: str = ""
    counts: Strict | None = None

    @field_validator("images", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _images_lie_under_the_root(self) -> "Manifest":
        below = min((len(PurePath(name).parts) for name in self.folder), default=0)
        if outside := [name for name in self.images if leads_out(name, below)]:
            raise ValueError(f"images: {outside[0]!r} leads out of the data root")
        return self

    @model_validator(mode="before")
    @classmethod
    def _has_a_title(cls, data: object) -> object:
        return {"title": data.get("name", "")} | data if isinstance(data, dict) else data
