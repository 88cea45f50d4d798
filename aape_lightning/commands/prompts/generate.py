"""`aape prompts generate`: sentences about classes from a language model."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from aape_lightning.commands.help_format import examples

if TYPE_CHECKING:
    from aape_lightning.data.schema import ClassManifest
    from aape_lightning.prompts.generation.planning import Plan
    from aape_lightning.prompts.generation.questions import QuestionSet
    from aape_lightning.prompts.generation.requests import LLM
    from aape_lightning.prompts.generation.summary import Summary

__all__ = ["add_generate", "run_generate"]

_INTERRUPTED = 130  # the shell's exit code for Ctrl-C


def add_generate(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape prompts generate` to the command line."""
    parser = subcommands.add_parser(
        "generate",
        help="ask a language model for sentences about the classes",
        description="Ask a language model about every class. Each answer is kept in OUT.journal.jsonl as it comes: a "
        "command that was stopped goes on where it was when it is given again.",
        epilog="The key is read from the environment variable OPENAI_API_KEY.\n\n"
        + examples(
            "aape prompts generate --manifest food101 --root $DATA --model gpt-4o-mini --out food.json --dry-run",
            "aape prompts generate --manifest birds.yaml --local gpt2 --out birds.json",
        ),
    )
    parser.add_argument("--manifest", required=True, metavar="M", help="short name or path of a manifest")
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="the data root, CoOp's $DATA (default: the manifest's own, else .)"
    )
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="ask about these classes only")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the file of sentences (JSON), as for --data.prompts"
    )
    questions = parser.add_mutually_exclusive_group()
    questions.add_argument(
        "--questions",
        metavar="Q",
        help="cupl (the dataset's own set), or a YAML or text file of questions (default: cupl)",
    )
    questions.add_argument(
        "--question",
        action="append",
        metavar="Q",
        help='one question, as "Describe what {a} {} looks like"; repeatable',
    )
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--model", metavar="NAME", help="a model's name at an OpenAI-compatible server")
    model.add_argument("--local", metavar="NAME", help="a language model of transformers, by name or folder")
    parser.add_argument("--base-url", metavar="URL", help="the server, as http://localhost:8000/v1 (default: OpenAI's)")
    parser.add_argument("--n", type=_count, default=10, metavar="N", help="answers to each question")
    parser.add_argument("--temperature", type=_amount, default=0.99, metavar="T", help="temperature of the sampling")
    parser.add_argument(
        "--max-tokens", type=_count, default=50, metavar="N", help="tokens after which an answer is cut"
    )
    parser.add_argument(
        "--concurrency",
        type=_count,
        default=8,
        metavar="N",
        help="requests in flight; with --local, answers written at once",
    )
    parser.add_argument("--price-in", type=_amount, metavar="USD", help="price of a million tokens of questions")
    parser.add_argument("--price-out", type=_amount, metavar="USD", help="price of a million tokens of answers")
    parser.add_argument("--dry-run", action="store_true", help="say what would be asked and what it may cost")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(run=run_generate)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0")
    return amount


def run_generate(options: argparse.Namespace) -> None:
    """Ask, write the sentences, and print a summary; or print what would be asked.

    Raises:
        PromptError: If the options contradict each other, or the run ends without all sentences.
        SystemExit: If it is interrupted (Ctrl-C), with the shell's code for that.
    """
    from aape_lightning.data.manifests import load_manifest
    from aape_lightning.prompts.generation.costs import Price
    from aape_lightning.prompts.generation.journal import Journal, journal_path
    from aape_lightning.prompts.generation.planning import plan, summarize_plan
    from aape_lightning.prompts.generation.requests import Sampling
    from aape_lightning.prompts.generation.run import generate

    _check(options)
    manifest = load_manifest(options.manifest)
    questions = _questions(options, manifest)
    requests = plan(_class_names(options, manifest), questions.templates)
    sampling = Sampling(options.temperature, options.max_tokens)
    price = None if options.price_in is None else Price(options.price_in, options.price_out)
    journal = journal_path(options.out)
    if options.dry_run:
        answered = Journal(journal, options.model or options.local, sampling)
        _print(options, summarize_plan(questions, requests, answered, options.n, price))
        return
    print(f"Questions: {questions.name} ({len(questions.templates)} a class)", file=sys.stderr)
    try:
        summary = generate(_model(options), requests, options.out, n=options.n, sampling=sampling, price=price)
    except KeyboardInterrupt:
        print(f"aape: stopped. Answers so far are kept in {journal}; the same command goes on.", file=sys.stderr)
        raise SystemExit(_INTERRUPTED) from None
    _print(options, summary)


def _check(options: argparse.Namespace) -> None:
    from aape_lightning.errors import PromptError

    if options.out.suffix != ".json":
        raise PromptError(f"--out is {str(options.out)!r}; --data.prompts will take it if its name ends in .json.")
    if options.local is not None and options.base_url is not None:
        raise PromptError("--base-url is a server's address, and --local asks none; give --model, or leave one out.")
    if options.temperature == 0 and options.n > 1:
        raise PromptError(f"At --temperature 0 all {options.n} answers (--n) are the same; ask for one: --n 1.")
    if (options.price_in is None) != (options.price_out is None):
        raise PromptError("A cost needs both prices: --price-in USD --price-out USD (a million tokens each).")


def _questions(options: argparse.Namespace, manifest: "ClassManifest") -> "QuestionSet":
    from aape_lightning.prompts.generation.questions import QuestionSet, question_set

    if options.question:
        return QuestionSet("command line", tuple(options.question))
    dataset = manifest.name.partition("/")[0]  # domains share their dataset's questions
    return question_set(options.questions or "cupl", dataset)


def _class_names(options: argparse.Namespace, manifest: "ClassManifest") -> list[str]:
    """The classes to ask about, in the dataset's order."""
    from aape_lightning.data.classes import class_names_of
    from aape_lightning.data.places import data_root
    from aape_lightning.errors import PromptError, did_you_mean, listed

    names = class_names_of(manifest, data_root(manifest, options.root))
    if options.classes is None:
        return names
    asked = {_plain(name): name for name in options.classes}
    if unknown := [name for plain, name in asked.items() if plain not in map(_plain, names)]:
        raise PromptError(
            f"{manifest.title} has no classes {listed(unknown)} (--classes).{did_you_mean(unknown[0], names)}"
        )
    return [name for name in names if _plain(name) in asked]


def _plain(name: str) -> str:
    return name.replace("_", " ").lower()


def _model(options: argparse.Namespace) -> "LLM":
    if options.local is not None:
        from aape_lightning.prompts.generation.local import LocalModel

        return LocalModel(options.local, batch=options.concurrency)
    from aape_lightning.prompts.generation.endpoint import Endpoint

    return Endpoint(options.model, options.base_url, concurrency=options.concurrency)


def _print(options: argparse.Namespace, what: "Plan | Summary") -> None:
    if options.json:
        print(json.dumps({"out": str(options.out)} | asdict(what), indent=2, ensure_ascii=False))
        return
    for name, value in what.rows().items():
        first, *others = value.splitlines()
        print(f"{name:<11}{first}", *(f"{'':<11}{line}" for line in others), sep="\n")
    print(what.verdict(options.out))
