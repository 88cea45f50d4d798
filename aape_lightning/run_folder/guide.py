"""`README.md` of a run folder: what each file is, and what can be done with them."""

import shlex
from pathlib import Path

from aape_lightning.files import write_text

__all__ = ["GUIDE_FILE", "write_guide"]

GUIDE_FILE = "README.md"
_FILES = {
    "run.json": "the command, versions, device and git commit, how far the run came, and its last metrics",
    "config.yaml": "the whole configuration after recipes, command line and defaults; it runs again as it is",
    "metrics.csv": "every metric by epoch",
    "hparams.yaml": "the task's own hyper-parameters",
    "tensorboard": "the same metrics, hyper-parameters and pictures for TensorBoard",
    "aape.ckpt": "what inference needs: trained weights without the aggregator; small, and loads everywhere",
    "last.ckpt": "everything that a run needs to go on, optimizer included",
    "aggregator.safetensors": "the trained aggregator, for reports; nothing at test time reads it",
    "language_model": "the trained language model and its tokeniser",
    "shapes_tiny.pt": "the trained CLIP in OpenAI's format",
}
_STATES = {
    "running": "It is running, or was killed.",
    "finished": "It is finished.",
    "failed": "It failed; `run.json` says why.",
    "interrupted": "It was interrupted.",
}
# What `aape.ckpt` of a task can do without a Trainer.
_USES = {
    "ClassificationTask": "aape classify {checkpoint} IMAGES",
    "RetrievalTask": "aape retrieve --ckpt {checkpoint} --query TEXT --images FOLDER",
    "CaptioningTask": "aape caption {checkpoint} IMAGES",
    "VQATask": "aape answer {checkpoint} IMAGES --question TEXT",
    "VQAClassifierTask": "aape answer {checkpoint} IMAGES --question TEXT",
}


def write_guide(folder: Path, state: str, *, task: str, testable: bool = False) -> Path:
    """Write the `README.md` of a run, whole or not at all.

    Args:
        folder: The run's folder, as commands are to name it.
        state: The run's state, as `run.json` has it.
        task: The task's class.
        testable: Whether `aape test` takes such a task.
    """
    there = [name for name in _FILES if (folder / name).exists()]
    rows = [f"| `{name}` | {_FILES[name]} |" for name in there]
    lines = [f"# A run of {task}", "", _STATES[state], "", "| File | What it is |", "|---|---|", *rows, ""]
    if steps := _steps(shlex.quote(str(folder)), there, state, task, testable=testable):
        lines += ["What comes next, typed in the folder where the run was started:", ""]
        lines += [f"    {command}\n        # {purpose}" for purpose, command in steps.items()]
        lines += [""]
    write_text(folder / GUIDE_FILE, "\n".join(lines))
    return folder / GUIDE_FILE


def _steps(run: str, there: list[str], state: str, task: str, *, testable: bool) -> dict[str, str]:
    """Commands by purpose."""
    if state != "finished":
        if "last.ckpt" in there:
            resume = f"aape fit --config {run}/config.yaml --ckpt_path {run}/last.ckpt"
            return {"go on from the last epoch that was saved": resume}
        return {"start it anew": f"aape fit --config {run}/config.yaml --run {run}"} if "config.yaml" in there else {}
    steps = {}
    checkpoint = next((f"{run}/{name}" for name in ("aape.ckpt", "last.ckpt") if name in there), None)
    if checkpoint and testable:
        steps["test it"] = f"aape test --config {run}/config.yaml --ckpt_path {checkpoint}"
    if "aape.ckpt" in there and task in _USES:
        steps["use it on images of your own"] = _USES[task].format(checkpoint=checkpoint)
        steps["share it"] = f"aape share {checkpoint} FOLDER"
        steps["run it without this package"] = f"aape export {checkpoint} --help"
    if "tensorboard" in there:
        steps["look at its curves"] = f"tensorboard --logdir {run}"
    return steps
