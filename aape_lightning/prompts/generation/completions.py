"""What a server sends back: a reply, something that is none, or the wish to be left alone for a while."""

import email.utils
import time
from collections.abc import Mapping

from pydantic import BaseModel, Field, ValidationError

from aape_lightning.prompts.generation.requests import Answer, Reply

__all__ = ["PassingError", "read_completion", "retry_after"]


class PassingError(Exception):
    """A failure that may be over when the request is sent again.

    Attributes:
        retry_after: How long the server asks to wait, in seconds; None where it does not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(BaseModel):
    """What is used of a chat completion; servers differ in the rest."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


def read_completion(body: str) -> Reply:
    """The reply in the body of an HTTP response.

    Raises:
        PassingError: If the body is no chat completion: servers under load send pages, halves, and errors as answers.
    """
    try:
        completion = _Completion.model_validate_json(body)
    except ValidationError:
        raise PassingError(f"the answer is no chat completion: {body[:80]!r}") from None
    usage = completion.usage or _Usage()
    return Reply(list(map(_answer, completion.choices)), usage.prompt_tokens, usage.completion_tokens)


def _answer(choice: _Choice) -> Answer:
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return Answer(choice.message.refusal or "", "refused")
    return Answer(choice.message.content or "", "length" if choice.finish_reason == "length" else "stop")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks to wait, from a header that holds them or a date; None where it does not ask."""
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        date = email.utils.parsedate_tz(value)
        return None if date is None else max(0.0, email.utils.mktime_tz(date) - time.time())
