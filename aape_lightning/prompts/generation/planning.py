"""What a run would ask: the requests, how many are left, and what they may take."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aape_lightning.prompts.generation.costs import Price
from aape_lightning.prompts.generation.journal import Journal
from aape_lightning.prompts.generation.questions import QuestionSet, fill_question
from aape_lightning.prompts.generation.requests import CHAT_STYLE, Request

__all__ = ["Plan", "plan", "summarize_plan"]

_EXAMPLES = 3
_CHARACTERS_A_TOKEN = 4  # of English text, for the tokenizers of today's language models
_CHAT_TOKENS = 8  # around a message: roles and marks


@dataclass(frozen=True)
class Plan:
    """What a run would ask.

    Attributes:
        classes: Classes, each name once.
        questions: What the set of questions is called.
        templates: Its questions.
        requests: All requests.
        to_ask: Those that lack answers.
        answers: Answers that they lack.
        tokens_in: Tokens of their questions, about.
        tokens_out: Tokens of their answers, at most.
        cost: US dollars for these tokens, where prices are known.
        examples: Questions as they would be asked.
    """

    classes: int
    questions: str
    templates: tuple[str, ...]
    requests: int
    to_ask: int
    answers: int
    tokens_in: int
    tokens_out: int
    cost: float | None
    examples: list[str]

    def rows(self) -> dict[str, str]:
        """The plan in words."""
        return {
            "Classes": str(self.classes),
            "Questions": f"{len(self.templates)} ({self.questions})",
            "Requests": f"{self.requests}, {self.to_ask} of them to be asked for {self.answers} answers",
            "Tokens": f"about {self.tokens_in:,} in, at most {self.tokens_out:,} out",
            "Cost": "unknown without prices" if self.cost is None else f"at most {self.cost:.4f} USD",
            "Examples": "\n".join(self.examples),
        }

    def verdict(self, out: Path) -> str:
        """What came of it."""
        return f"Dry run: nothing was asked, and {out} is not written."


def plan(class_names: Sequence[str], templates: Sequence[str]) -> list[Request]:
    """Every question about every class, each once; a name that occurs twice is asked once.

    Raises:
        PromptError: If a template has no `{}`.

    Example:
        >>> [request.question for request in plan(["missile", "missile"], ["Describe {a} {}"])]
        ['Describe a missile']
    """
    requests = (Request(name, fill_question(template, name)) for name in class_names for template in templates)
    return list(dict.fromkeys(requests))


def summarize_plan(
    questions: QuestionSet, requests: Sequence[Request], journal: Journal, n: int, price: Price | None = None
) -> Plan:
    """What is left to ask of the requests, and what it may take.

    Args:
        questions: The questions behind the requests.
        requests: All requests.
        journal: What is answered.
        n: Answers to each request.
        price: What the tokens cost.
    """
    wanted = journal.wanted(requests, n)
    characters = sum(len(request.question) + len(CHAT_STYLE) for request, _ in wanted)
    answers = sum(count for _, count in wanted)
    tokens_in = round(characters / _CHARACTERS_A_TOKEN) + _CHAT_TOKENS * len(wanted)
    tokens_out = answers * journal.sampling.max_tokens
    spread = range(0, len(requests), max(1, len(requests) // _EXAMPLES))
    return Plan(
        classes=len({request.class_name for request in requests}),
        questions=questions.name,
        templates=questions.templates,
        requests=len(requests),
        to_ask=len(wanted),
        answers=answers,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost=None if price is None else price.cost(tokens_in, tokens_out),
        examples=[requests[place].question for place in spread][:_EXAMPLES],
    )
