"""A run: ask what the journal lacks, clean the answers, write the sentences whole."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from aape_lightning.errors import PromptError, listed
from aape_lightning.files import write_text
from aape_lightning.progress import progress
from aape_lightning.prompts.generation.cleaning import clean_answer, is_refusal
from aape_lightning.prompts.generation.costs import Price
from aape_lightning.prompts.generation.journal import Journal, journal_path, open_journal
from aape_lightning.prompts.generation.requests import LLM, Outcome, Reply, Request, Sampling
from aape_lightning.prompts.generation.summary import Summary

__all__ = ["generate"]


def generate(
    model: LLM,
    requests: Sequence[Request],
    out: Path,
    *,
    n: int,
    sampling: Sampling,
    price: Price | None = None,
) -> Summary:
    """Ask a language model about classes and write their sentences as `{class: [sentence, ...]}`, in class order.

    Args:
        model: The language model.
        requests: Every question about every class.
        out: The JSON file; its journal lies beside it.
        n: Answers to each request.
        sampling: How answers are drawn.
        price: What the tokens cost.

    Raises:
        PromptError: If a file of another origin is in the way, another process is at work on it, the model refuses,
            requests failed for good, or a class is left without a sentence; the file is then not written.
    """
    path, start = journal_path(out), time.monotonic()
    if out.exists() and not path.exists():
        raise PromptError(f"{str(out)!r} exists, and no journal says that it was generated. Name another file: --out.")
    with open_journal(path, model.name, sampling) as journal:
        wanted = journal.wanted(requests, n)
        outcome = _ask(model, wanted, sampling, journal, price) if wanted else Outcome()
        if lacking := journal.wanted(requests, n):
            raise PromptError(
                f"{len(lacking)} of {len(requests)} requests lack answers, the last failure being: "
                f"{outcome.failures[-1]}. The same command asks only these again: all other answers are kept in "
                f"{str(path)!r}. {str(out)!r} is not written."
            )
        sentences, empty, refused = _sentences(journal, requests, n)
        unchanged = _write(out, sentences)
        replies = [reply for request in requests for reply in journal.replies(request)]
    tokens_in, tokens_out = sum(reply.tokens_in for reply in replies), sum(reply.tokens_out for reply in replies)
    return Summary(
        classes=len(sentences),
        sentences=sum(map(len, sentences.values())),
        empty=empty,
        refused=refused,
        asked=len(wanted),
        requests=len(requests),
        retries=outcome.retries,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost=None if price is None else price.cost(tokens_in, tokens_out),
        seconds=time.monotonic() - start,
        unchanged=unchanged,
    )


def _ask(
    model: LLM,
    wanted: Sequence[tuple[Request, int]],
    sampling: Sampling,
    journal: Journal,
    price: Price | None,
) -> Outcome:
    tokens_in = tokens_out = 0
    asking = f"asking {escape(model.name)}"  # square brackets in a folder's name are no markup
    with progress() as bar:
        task = bar.add_task(asking, total=sum(count for _, count in wanted))

        def record(request: Request, reply: Reply) -> None:
            nonlocal tokens_in, tokens_out
            journal.add(request, reply)
            tokens_in, tokens_out = tokens_in + reply.tokens_in, tokens_out + reply.tokens_out
            cost = "" if price is None else f", {price.cost(tokens_in, tokens_out):.4f} USD"
            said = f"{asking} ({tokens_in + tokens_out:,} tokens{cost})"
            bar.update(task, advance=len(reply.answers), description=said)

        return model.ask(wanted, sampling, record)


def _sentences(journal: Journal, requests: Sequence[Request], n: int) -> tuple[dict[str, list[str]], int, int]:
    """Sentences by class, and how many answers were empty and how many refusals."""
    sentences: dict[str, list[str]] = {request.class_name: [] for request in requests}
    empty = refused = 0
    for request in requests:
        for answer in journal.answers(request, n):
            if is_refusal(answer):
                refused += 1
            elif sentence := clean_answer(answer):
                sentences[request.class_name].append(sentence)
            else:
                empty += 1
    if without := [name for name, texts in sentences.items() if not texts]:
        raise PromptError(
            f"{empty} answers were empty and {refused} refusals, which leaves {len(without)} of {len(sentences)} "
            f"classes without a sentence: {listed(without)}. Ask for more answers (--n), longer ones (--max-tokens), "
            "other questions or another model; the answers so far are kept in the journal."
        )
    return sentences, empty, refused


def _write(out: Path, sentences: dict[str, list[str]]) -> bool:
    """Write the file; whether it was there already, as it had to be."""
    text = json.dumps(sentences, indent=2, ensure_ascii=False) + "\n"
    if out.exists() and out.read_bytes() == text.encode():
        return True
    write_text(out, text)
    return False
