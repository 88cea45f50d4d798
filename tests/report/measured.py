"""Results of the train-test protocol with their examples, as a run would leave them, without running one."""

from aape_lightning.protocols.examples import make_examples, write_examples
from synthetic import result

DEGRADATIONS = ("none", "blur", "occlusion")
CAPTION_SCORES = {
    "cider_d(ptb)": 0.75, "bleu_1(ptb)": 0.6, "bleu_2(ptb)": 0.42, "bleu_3(ptb)": 0.29, "bleu_4(ptb)": 0.19,
    "rouge_l(ptb)": 0.46, "clip_score": 0.71, "ref_clip_score": 0.78,
}  # fmt: skip
IMAGES = [f"flat/scenes/test/{k:06d}.png" for k in range(6)]


def measured(method, seed, metrics, *, dataset="shapes_captions", **changes):
    """One result of the train-test protocol."""
    return result(method, seed, dataset=dataset, protocol="train-test", metrics=metrics, **changes)


def trained(method, seed, metrics, **changes):
    """One result with what a training leaves."""
    curves = {"train/loss": [3.0, 2.0, 1.0 + 0.1 * seed], "val/cross_entropy": [2.5, 2.0 + 0.05 * seed]}
    return measured(method, seed, metrics, **{"curves": curves, "seconds": {"fit": 9.0 + seed, "test": 2.0}} | changes)


def retrieval_metrics(level, seed):
    """Recalls and ranks around a level."""
    return {
        f"{way}/{name}": value
        for way, less in (("image_to_text", 0.0), ("text_to_image", 0.07))
        for name, value in {
            "recall@1": level - less + 0.005 * seed,
            "recall@5": level - less + 0.2 + 0.004 * seed,
            "recall@10": level - less + 0.3 - 0.003 * seed,
            "median_rank": round(2 / level) + seed % 2,
        }.items()
    }


def retrieval_study(dataset="shapes_captions"):
    """Zero-shot CLIP and two forms of AAPE by three seeds."""
    levels = {"clip-retrieval": 0.31, "aape-retrieval": 0.42, "aape-retrieval-no-distill": 0.4}
    return [
        (measured if method == "clip-retrieval" else trained)(
            method, seed, retrieval_metrics(level, 0 if method == "clip-retrieval" else seed), dataset=dataset
        )
        for method, level in levels.items()
        for seed in (1, 2, 3)
    ]


def captioning_study():
    """LiMBeR with and without AAPE by three seeds, under three degradations."""
    loss = {"none": 1.0, "blur": 0.8, "occlusion": 0.7}
    return [
        trained(
            method,
            seed,
            {
                f"{'' if kind == 'none' else f'{kind}/'}{name}": loss[kind] * value * factor + 0.003 * seed
                for kind in DEGRADATIONS
                for name, value in CAPTION_SCORES.items()
            },
        )
        for method, factor in {"limber": 1.0, "limber-embedding": 1.02, "limber-aape": 1.06}.items()
        for seed in (1, 2, 3)
    ]


def vqa_metrics(level, seed, shots=(0, 1, 2, 4)):
    """Accuracies by K, degradation, and answer type."""
    found = {}
    for k in shots:
        for place, kind in enumerate(DEGRADATIONS):
            prefix = f"{k}-shot/" + ("" if kind == "none" else f"{kind}/")
            value = level + 0.02 * k - 0.06 * place + 0.004 * seed
            found |= {f"{prefix}accuracy": value, f"{prefix}exact_match": value - 0.03}
            for answer, more in (("yes/no", 0.2), ("number", -0.1), ("other", 0.0)):
                found[f"{prefix}answer_type/{answer}/accuracy"] = value + more
    return found


def vqa_study():
    """Two methods by three seeds, K of 0, 1, 2 and 4, under three degradations."""
    levels = {"vqa-limber": 0.4, "vqa-limber-aape": 0.44}
    return [
        trained(method, seed, vqa_metrics(level, seed), dataset="shapes_questions")
        for method, level in levels.items()
        for seed in (1, 2, 3)
    ]


def caption_examples(method):
    """Four images under three degradations."""
    return [
        {"image": image, "degradation": kind, "caption": f"a {kind} thing by {method}", "references": ["one", "two"]}
        for kind in DEGRADATIONS
        for image in IMAGES[:4]
    ]


def answer_examples(method):
    """Questions that some methods answer rightly."""
    return [
        {
            "image": IMAGES[k], "degradation": DEGRADATIONS[k % 3], "question": f"what colour is shape {k}?",
            "answer": "blue" if method.endswith("aape") else ("Navy" if k % 2 else "red"),
            "answers": ["blue"] * 8 + ["navy"] * 2, "shots": (0, 1, 2, 4)[k % 4],
        }
        for k in range(6)
    ]  # fmt: skip


def search_examples(method):
    """Four images that search, and two texts."""
    right = method.startswith("aape")
    texts = [
        {
            "image": image, "degradation": "none", "query": None, "truth": [f"caption of {image}", "another one"],
            "retrieved": [
                {"text": f"caption {k} found by {method}", "score": 0.9 - 0.1 * k, "correct": right and k == 1}
                for k in range(5)
            ],
        }
        for image in IMAGES[:4]
    ]  # fmt: skip
    images = [
        {
            "image": image, "degradation": "none", "query": f"a text that describes {image}", "truth": [image],
            "retrieved": [
                {"image": IMAGES[(place + k) % 6], "score": 0.5 - 0.1 * k, "correct": k == 0} for k in range(5)
            ],
        }
        for place, image in enumerate(IMAGES[:2])
    ]  # fmt: skip
    return [*texts, *images]


def write(results, folder, examples=None, *, manifest="shapes_captions", root=None):
    """Write results, with each method's examples, where the protocol writes them."""
    for one in results:
        place = folder / one.method / f"seed{one.seed}"
        one.write(place)
        if examples is not None:
            write_examples(place, make_examples(manifest, root, examples(one.method)))
    return folder
