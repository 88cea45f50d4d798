"""Answers become sentences: markup, list marks and quotes go, what was cut goes, refusals are told apart."""

import re

from aape_lightning.prompts.generation.requests import Answer

__all__ = ["clean_answer", "is_refusal"]

_THOUGHT = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL)  # reasoning models think aloud before they answer
_LIST_MARK = re.compile(r"\(?\d{1,2}[.)]\s+|[-–—•·]\s*|\*\s+")
_HEADING = re.compile(r"^#+ .*$", re.MULTILINE)
_MARKUP = re.compile(r"[*`]+")
_PREAMBLE = re.compile(r"(?:sure|certainly|of course|absolutely)(?: thing)?\s*[!,.:]+\s*", re.IGNORECASE)
_QUOTED = re.compile(r"[\"“«]([^\"“”«»]*)[\"”»]?([.!?]?)|['‘](.*)['’]([.!?]?)")  # of a cut pair one may be left
_QUOTES = "\"'“”‘’«»"
_REFUSAL = re.compile(
    r"(?:i['’]?m|i am)(?: very| so| really)? sorry\b|sorry,|(?:i )?apologi[sz]e\b|my apologies\b|unfortunately, i\b"
    r"|(?:(?:i['’]?m|i am)(?: just| only)?|as) an ai\b|(?:i['’]?m|i am) (?:unable|not able) to\b"
    r"|i (?:cannot|can['’]?t|can not|won['’]?t|do(?: not|n['’]?t) have)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?…][)'\"”’»]*(?=\s|\Z)")
_ABBREVIATION = re.compile(r"\b(?:[a-z]|approx|mr|mrs|dr|st|vs)\.\Z", re.IGNORECASE)  # "e.g." ends in a lone letter


def clean_answer(answer: Answer) -> str:
    r"""An answer as sentences on one line, or an empty string where nothing is left of it.

    Of an answer that was cut at the limit of tokens, an unfinished last sentence is dropped where a whole one comes
    before it.

    Example:
        >>> clean_answer(Answer('1. "A beagle has\nlong ears. It is sma', finish="length"))
        'A beagle has long ears.'
    """
    text = _words(answer)
    if answer.finish == "length":
        text = _whole_sentences(text)
    if quoted := _QUOTED.fullmatch(text):
        text = "".join(filter(None, quoted.groups())).strip()
    if not any(map(str.isalnum, text)):
        return ""
    ends = text.rstrip(f"){_QUOTES}").endswith((".", "!", "?", "…"))
    return text if ends else text.rstrip(" ,;:-–—") + "."


def is_refusal(answer: Answer) -> bool:
    """Whether a model declined to answer: the server says so, or its words do ("I'm sorry, but ...")."""
    return answer.finish == "refused" or bool(_REFUSAL.match(_words(answer).lstrip(_QUOTES)))


def _words(answer: Answer) -> str:
    """On one line and without marks; items of a list that end without punctuation are set apart by commas."""
    joined = ""
    said = _HEADING.sub("", _THOUGHT.sub("", answer.text))
    for line in filter(None, map(str.strip, said.splitlines())):
        mark = _LIST_MARK.match(line)
        words = _MARKUP.sub("", line[mark.end() :] if mark else line)
        apart = mark and joined and joined[-1] not in ".!?:;,"
        joined += f"{',' if apart else ''} {words}"
    joined = " ".join(joined.split())
    preamble = _PREAMBLE.match(joined)
    return joined[preamble.end() :] if preamble else joined


def _whole_sentences(text: str) -> str:
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    whole = [end for end in ends if not _ABBREVIATION.search(text[:end])]
    return text[: whole[-1]] if whole else text
