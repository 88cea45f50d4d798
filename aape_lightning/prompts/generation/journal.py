"""What was answered so far, a line a reply, so that a run that was stopped goes on and asks nothing twice."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from aape_lightning.errors import PromptError
from aape_lightning.locks import try_lock
from aape_lightning.prompts.generation.requests import Answer, Reply, Request, Sampling

__all__ = ["Journal", "journal_path", "open_journal"]


class _Line(BaseModel):
    """One reply, and all that it depends on."""

    model_config = ConfigDict(extra="forbid")

    model: str
    temperature: float
    max_tokens: int
    class_name: str
    question: str
    answers: list[Answer]
    tokens_in: int
    tokens_out: int


class Journal:
    """The replies of one model under one sampling; a file may hold those of others beside them.

    Args:
        path: The file; where it is missing, nothing is answered.
        model: The model's name.
        sampling: How answers are drawn.

    Raises:
        PromptError: If the file is no journal.
    """

    def __init__(self, path: Path, model: str, sampling: Sampling) -> None:
        self.path = path
        self.sampling = sampling
        self._model = model
        self._replies: dict[Request, list[Reply]] = {}
        self._file: FileIO | None = None
        for number, line in enumerate(_whole_lines(path), start=1):
            self._take(number, line)

    def _take(self, number: int, text: bytes) -> None:
        try:
            line = _Line.model_validate_json(text)
        except ValidationError as error:
            raise PromptError(
                f"Line {number} of {str(self.path)!r} is no reply of a language model: {text[:60]!r}. Delete that "
                "line, and the same command asks again for what it held; or name another --out."
            ) from error
        if (line.model, line.temperature, line.max_tokens) == (
            self._model,
            self.sampling.temperature,
            self.sampling.max_tokens,
        ):
            request = Request(line.class_name, line.question)
            self._replies.setdefault(request, []).append(Reply(line.answers, line.tokens_in, line.tokens_out))

    def replies(self, request: Request) -> list[Reply]:
        """The replies to a request, the first first."""
        return self._replies.get(request, [])

    def answers(self, request: Request, n: int) -> list[Answer]:
        """The first `n` answers to a request, or as many as there are."""
        return [answer for reply in self.replies(request) for answer in reply.answers][:n]

    def wanted(self, requests: Sequence[Request], n: int) -> list[tuple[Request, int]]:
        """The requests with fewer than `n` answers, each with the number that it lacks."""
        lacking = ((request, n - len(self.answers(request, n))) for request in requests)
        return [(request, count) for request, count in lacking if count]

    def add(self, request: Request, reply: Reply) -> None:
        """Write down a reply; it is in the file before this returns.

        Raises:
            PromptError: If it cannot be written, as on a full disk.
        """
        if self._file is None:
            raise ValueError("this journal is open for reading only; open_journal opens it for writing")
        line = _Line(
            model=self._model,
            temperature=self.sampling.temperature,
            max_tokens=self.sampling.max_tokens,
            class_name=request.class_name,
            question=request.question,
            answers=reply.answers,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
        )
        text = line.model_dump_json().encode() + b"\n"
        try:
            written = self._file.write(text)
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error
        if written != len(text):
            raise self._unwritable("the disk is full")
        self._replies.setdefault(request, []).append(reply)

    def _unwritable(self, reason: str) -> PromptError:
        return PromptError(
            f"{str(self.path)!r} cannot be written: {reason}. Mend that, and the same command goes on; all earlier "
            "answers are kept."
        )


def journal_path(out: Path) -> Path:
    """The journal beside a file of sentences."""
    return out.with_name(f"{out.name}.journal.jsonl")


@contextmanager
def open_journal(path: Path, model: str, sampling: Sampling) -> Iterator[Journal]:
    """Open a journal for writing, for this process alone.

    Args:
        path: The file; it is made where it is missing, and a half-written last line is cut off.
        model: The model's name.
        sampling: How answers are drawn.

    Raises:
        PromptError: If another process has it open, or it is no journal.
        StorageError: If the file system knows no locks: two processes would write into one another's lines.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    release = try_lock(Path(f"{path}.lock"))
    if release is None:
        raise PromptError(
            f"Another process is writing to {str(path)!r}. Wait until it has ended, or name another --out."
        )
    try:
        journal = Journal(path, model, sampling)
        with path.open("ab", buffering=0) as file:  # unbuffered: a killed process loses no reply
            file.truncate(sum(len(line) + 1 for line in _whole_lines(path)))
            journal._file = file
            yield journal
    finally:
        release()


def _whole_lines(path: Path) -> list[bytes]:
    """The lines that end; what comes after the last end was being written when its process was killed."""
    return path.read_bytes().split(b"\n")[:-1] if path.is_file() else []
