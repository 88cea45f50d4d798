"""A page of each protocol, from results as runs would leave them."""

import io

import pytest
from aape_lightning.protocols.outcomes import PartOutcomes, write_outcomes
from aape_lightning.report import write_report
from aape_lightning.report.figures import Drawing
from aape_lightning.search.index import Hit
from aape_lightning.search.result import SearchResult
from aape_lightning.search.write import write_result
from explanations import leave
from grids import cost_study, few_shot_study, noise_study, swept, transfer_study
from grids import write as write_grids
from measured import answer_examples, caption_examples, captioning_study, retrieval_study, search_examples, vqa_study
from measured import write as write_measured
from PIL import Image
from rich.console import Console
from synthetic import result, study, write

__all__ = ["PAGES", "make_page"]

CLASSES = ["blue whale", "grey whale", "<b>red</b> & green", "a class with a name that is much longer than most", "e"]


def outcomes(seed, classes, right):
    """Five classes, most of whose images are predicted rightly, and two of which are confused."""
    wrong = 20 - right
    return PartOutcomes(
        classes=classes,
        images=[20] * 5,
        correct=[right, 20, right, 20, 20],
        confusions=[(0, 1, wrong), (2, 3, wrong - seed), (2, 4, seed)],
        reliability=([5] * 10 + [10] * 5, [0.6 * (k + 0.5) / 3 for k in range(15)], [k // 3 for k in range(15)]),
    )


def base_to_new(folder):
    """Two datasets, with everything that runs can leave on the first."""
    results = study("shapes")
    others = [result(method, seed, dataset="eurosat") for method in ("zero-shot", "aape") for seed in (1, 2)]
    write([*results, *others], folder)
    for one in results:
        place = folder / one.dataset / one.method / f"seed{one.seed}"
        right = 8 if one.method == "zero-shot" else 12
        write_outcomes(place, {part: outcomes(one.seed, CLASSES, right) for part in ("base", "new")})
    leave(folder / "shapes" / "aape" / "seed1")


def sweep(folder):
    """Base-to-new over the weight of distillation."""
    weights = (0.0, 1.0, 5.0, 25.0)
    results = [
        swept(method, seed, {"model.distillation_weight": weight}, 0.7 + 0.002 * weight + 0.01 * seed, level)
        for method, level in (("aape", 0.65), ("aape-mean", 0.6))
        for weight in weights
        for seed in (1, 2, 3)
    ]
    write_grids(results, folder)


def search(folder):
    """What a text finds among images."""
    hits = [Hit(rank, 0.3 - 0.01 * rank, f"photos/{rank:03d}.jpg", f"caption {rank}") for rank in range(1, 5)]
    found = SearchResult("two dogs & <i>snow</i>", None, "images", "captions", "flickr8k test", "zero-shot CLIP", hits)
    write_result(folder / "report.html", found, lambda path: Image.new("RGB", (60, 40), "#336699"))


def search_by_image(folder):
    """The captions that an image finds."""
    picture = Image.new("RGB", (60, 40), "#993366")
    hits = [Hit(rank, 0.3 - 0.01 * rank, f"photos/{rank:03d}.jpg", f"caption {rank}") for rank in range(1, 4)]
    found = SearchResult("query.jpg", picture, "captions", "captions", "flickr8k test", "zero-shot CLIP", hits)
    write_result(folder / "report.html", found, lambda path: Image.new("RGB", (60, 40), "#336699"))


PAGES = {
    "base-to-new": base_to_new,
    "few-shot": lambda folder: write_grids([*few_shot_study("eurosat"), *few_shot_study("shapes")], folder),
    "sweep": sweep,
    "noise": lambda folder: write_grids(noise_study(), folder),
    "domain-generalization": lambda folder: write_grids(transfer_study(), folder),
    "cost": lambda folder: write_grids(cost_study(), folder),
    "retrieval": lambda folder: write_measured(retrieval_study(), folder, search_examples),
    "captioning": lambda folder: write_measured(captioning_study(), folder, caption_examples),
    "vqa": lambda folder: write_measured(vqa_study(), folder, answer_examples),
    "search": search,
    "search-by-image": search_by_image,
}


_RENDER = Drawing.render


def _only_svg(drawing, theme, kind):
    """The page shows no PNG, and drawing takes most of a report's time."""
    return _RENDER(drawing, theme, kind) if kind == "svg" else b""


def make_page(name, folder):
    """Write one page into a folder; its path."""
    PAGES[name](folder)
    if not name.startswith("search"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Drawing, "render", _only_svg)
            write_report(folder, console=Console(file=io.StringIO()))
    return folder / "report.html"
