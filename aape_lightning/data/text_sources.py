"""Texts to train a language model on: lines of a file, captions, or questions with their answers.

Texts about one image stay together as a document, in the order that training shuffles anew each time: a model that read
them one by one would learn that what stands before a caption says nothing about it, and could not be led by a prefix.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from aape_lightning.data.manifests import read_manifest
from aape_lightning.data.places import data_root
from aape_lightning.data.readers.captions import CaptionedImage, read_caption_split
from aape_lightning.data.readers.questions import Question, read_question_split
from aape_lightning.data.schema import CaptionManifest, ClassManifest, Manifest, QuestionManifest
from aape_lightning.data.shapes.chance import random_of
from aape_lightning.data.splits import Parts
from aape_lightning.errors import DataError, listed

__all__ = ["Document", "answered", "read_documents", "said_behind"]

Document = list[str]

_MANIFESTS = (".yaml", ".yml")
_Key = tuple[object, ...]


def answered(question: str, answer: str) -> str:
    """A question with its answer in the form of LiMBeR's prompt, `Q: {question} A: {answer}`."""
    return f"Q: {question} A: {answer}"


def said_behind(prompt: str, text: str) -> str:
    """A text as it is said behind a prompt: with the space between them, which tokenisers count to the word."""
    return f" {text}" if prompt else text


def read_documents(
    sources: Sequence[str], root: str | None = None, held_out: float = 0.05
) -> tuple[list[Document], list[Document]]:
    """The documents to train on, and those that are held out.

    A manifest's training part is trained on and its validation part held out; its test part is never read. Where it has
    no validation part, and of a text file, a share of the documents is held out, chosen by their names alone.

    Args:
        sources: Text files (a document a line; empty lines are left out), and manifests of captions or of questions by
            name or path. Manifests that lie in one folder share their images: an image's captions and questions are
            one document.
        root: The data root of the manifests.
        held_out: That share, above 0 and below 1.

    Raises:
        DataError: If a file is not in UTF-8, or no document is left to train on or to hold out.
        ManifestError: If a manifest is unknown or its files are missing.
    """
    if not 0 < held_out < 1:
        raise DataError(f"held_out is {held_out}; it is a share of the documents, above 0 and below 1.")
    train: dict[_Key, Document] = {}
    held: dict[_Key, Document] = {}
    for source in sources:
        own_train, own_held = _texts_of(source, root)
        for key, text in own_train:
            chosen = held if own_held is None and random_of(f"held out {key[-1]}").random() < held_out else train
            chosen.setdefault(key, []).append(text)
        for key, text in own_held or ():
            held.setdefault(key, []).append(text)
    if not train or not held:
        raise DataError(
            f"The sources {listed(sources)} hold {len(train)} documents to train on and {len(held)} to hold out; "
            "there must be some of each. Name larger sources, or another share with --data.held_out."
        )
    return list(train.values()), list(held.values())


_Texts = Iterable[tuple[_Key, str]]


def _texts_of(source: str, root: str | None) -> tuple[_Texts, _Texts | None]:
    """Texts to train on with their documents' keys, and those of the validation part where there is one."""
    if Path(source).is_file() and Path(source).suffix not in _MANIFESTS:
        return _lines(Path(source)), None
    manifest = read_manifest(source)
    place = data_root(manifest, root)
    home = (str(place), *manifest.folder, *manifest.images)
    parts = _image_texts(manifest, place)
    train, val = (
        [((*home, path), text) for path, texts in part for text in texts] for part in (parts.train, parts.val)
    )
    return train, val or None


def _image_texts(manifest: Manifest, root: Path) -> Parts[tuple[str, Document]]:
    split: Parts[CaptionedImage] | Parts[Question]
    if isinstance(manifest, QuestionManifest):
        split = read_question_split(manifest, root)
    else:
        assert isinstance(manifest, CaptionManifest | ClassManifest)
        split = read_caption_split(manifest, root)
    train, val = ([(entry.path, _texts(entry)) for entry in part] for part in (split.train, split.val))
    return Parts(train, val, [])


def _texts(entry: CaptionedImage | Question) -> Document:
    if isinstance(entry, CaptionedImage):
        return list(entry.captions)
    return [answered(entry.question, answer) for answer, _ in Counter(entry.answers).most_common(1)]


def _lines(path: Path) -> Iterator[tuple[_Key, str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{str(path)!r} is not a text file in UTF-8: {error}.") from error
    return (((str(path), number), line.strip()) for number, line in enumerate(lines) if line.strip())
