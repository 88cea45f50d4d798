"""One job of a protocol: built, skipped where its result exists, measured, and written whole."""

from typing import Any

from lightning.pytorch import Callback

from aape_lightning.callbacks import Curves
from aape_lightning.cli import AAPECLI, build
from aape_lightning.errors import RecipeError
from aape_lightning.protocols.examples import EXAMPLES_FILE, write_examples
from aape_lightning.protocols.explain import explain_run
from aape_lightning.protocols.explanations import EXPLANATIONS_FILE, Explanations, write_explanations
from aape_lightning.protocols.jobs import Job, Protocol
from aape_lightning.protocols.names import BASE_TO_NEW, COST, SWEEP
from aape_lightning.protocols.outcomes import OUTCOMES_FILE, write_outcomes
from aape_lightning.protocols.provenance import config_hash
from aape_lightning.protocols.results import RESULT_FILE, Result
from aape_lightning.protocols.training import kept_examples
from aape_lightning.runner.request import Request

__all__ = ["PreparedJob"]


class PreparedJob:
    """A job with its task, data and Trainer built, and nothing trained.

    Args:
        request: What the job is of.
        job: The job.
        callbacks: Callbacks of its Trainer beside those that every job has.

    Raises:
        RecipeError: If the job's keys contradict each other, or its method fixes what the protocol varies.
    """

    def __init__(self, request: Request, job: Job, callbacks: tuple[Callback, ...] = ()) -> None:
        self.job = job
        self.protocol: Protocol = request.protocol_of(job)
        self.folder = request.out / job.folder
        self.overrides = [word for word in request.overrides if word != "--"]
        self.cli: AAPECLI = build(request.arguments(job), trainer_defaults=_trainer_defaults(callbacks))
        _refuse_fixed_keys(self.cli.resolved(), job)

    def is_done(self) -> bool:
        """Whether its result exists, of this very configuration, backbone and data."""
        result = self.folder / RESULT_FILE
        if not result.is_file():
            return False
        return Result.read(result).config_hash == self._hash()

    def _hash(self) -> str:
        data = self.cli.datamodule
        data.setup_backbone()
        contents = (data.contents(), *self.protocol.contents(data, self.cli.trainer))
        return config_hash(self.cli.resolved(), data.backbone.fingerprint, *contents)

    def run(self) -> None:
        """Train, test, and write result and what belongs beside it; wherever it is cut short, no half result stands."""
        cli, job = self.cli, self.job
        # First, since a missing target would waste the training.
        more_contents = self.protocol.contents(cli.datamodule, cli.trainer)
        measured = self.protocol.measure(cli.model, cli.datamodule, cli.trainer)
        examples = kept_examples(cli.model, cli.datamodule)
        explanations = self._explanations()
        result = cli.result(
            self.protocol.name,
            job.method_name,
            more_contents=more_contents,
            setting=dict(job.setting),
            overrides=self.overrides,
            **{name: value for name, value in vars(measured).items() if name != "outcomes"},
        )
        # No result beside another run's examples.
        for name in (RESULT_FILE, EXAMPLES_FILE, EXPLANATIONS_FILE, OUTCOMES_FILE):
            (self.folder / name).unlink(missing_ok=True)
        if examples is not None:
            write_examples(self.folder, examples)
        if explanations is not None:
            write_explanations(self.folder, explanations)
        if measured.outcomes:
            write_outcomes(self.folder, measured.outcomes)
        result.write(self.folder)

    def _explanations(self) -> Explanations | None:
        """What the run explains, where a report shows it."""
        name = self.protocol.name
        if name in (SWEEP, COST):
            return None
        return explain_run(self.cli.model, self.cli.datamodule, with_new=name == BASE_TO_NEW)


def _refuse_fixed_keys(config: dict[str, Any], job: Job) -> None:
    """A method that states what the protocol varies would give one result under several names."""
    for key, value in job.setting:
        part, *names = key.split(".")
        found: Any = config.get(part)
        if part in ("model", "data"):
            found = (found or {}).get("init_args", {})
        for name in names:
            found = found.get(name, value) if isinstance(found, dict) else value  # a method may have no use for a key
        if found != value:
            raise RecipeError(
                f"The method {job.method_name!r} fixes {key} at {found!r}, and this job is to vary it ({value!r}). "
                "Leave that method out, or that key of its file."
            )


def _trainer_defaults(callbacks: tuple[Callback, ...]) -> dict[str, Any]:
    return {
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "logger": False,
        "callbacks": [Curves(), *callbacks],
    }
