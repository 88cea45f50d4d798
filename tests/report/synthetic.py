"""Results as a protocol would write them, without running one."""

from aape_lightning.protocols.results import Result

BACKBONE = {"name": "shapes-tiny", "fingerprint": "4f3c9a1b77e2" * 5, "embed_dim": 256, "logit_scale": 100.0}


def result(method="aape", seed=1, base=0.8, new=0.6, *, dataset="shapes", **changes):
    """One base-to-new result."""
    fields = {
        "protocol": "base-to-new",
        "recipe": dataset,
        "metrics": {"base/accuracy": base, "new/accuracy": new, "base/mean_class_accuracy": base},
        "config_hash": f"{dataset} {method} {seed}",
        "backbone": BACKBONE,
        "config": {
            "model": {"class_path": "ClassificationTask", "init_args": {"lr": 0.001}},
            "data": {"class_path": "ClassificationDataModule", "init_args": {"root": ".", "shots": 16, "seed": seed}},
            "trainer": {"max_epochs": 3},
        },
        "versions": {"python": "3.12.1", "torch": "2.13.0"},
        "created": "2026-11-24T15:00:00+00:00",
    }
    return Result(dataset=dataset, method=method, seed=seed, **fields | changes)


def standard(method="aape", seed=1, dataset="imagenet", *, data=None, **changes):
    """One result of a whole published dataset with OpenAI's ViT-B/16."""
    classes = "base" if changes.get("protocol", "base-to-new") == "base-to-new" else "all"
    init_args = {"manifest": dataset, "shots": 16, "classes": classes, "seed": seed} | (data or {})
    config = {"data": {"class_path": "ClassificationDataModule", "init_args": init_args}}
    fields = {"backbone": {"name": "ViT-B/16", "fingerprint": "5806"}, "config": config}
    return result(method, seed, dataset=dataset, **fields | changes)


def trained(method="aape", seed=1, base=0.8, new=0.6, **changes):
    """One result with everything that a training can leave."""
    shares = {"faithful": 0.7, "redundant": 0.2, "irrelevant": 0.06, "wrong": 0.04}
    uniform = {"faithful": 0.55, "redundant": 0.2, "irrelevant": 0.125, "wrong": 0.125}
    extras = {
        "diagnostics": {f"attention/{kind}": share + 0.001 * seed for kind, share in shares.items()}
        | {f"attention/uniform/{kind}": share for kind, share in uniform.items()}
        | {"cosine/prompt_mean": 0.3, "cosine/summary": 0.36, "cosine/aape": 0.6 + 0.01 * seed},
        "curves": {"train/reward": [1.0, 1.5], "train/loss": [3.0, 2.0, 1.0 + seed], "val/accuracy": [0.5, 0.6]},
        "seconds": {"prepare": 0.5, "fit": 20.0 + seed, "test": 1.0},
    }
    return result(method, seed, base, new, **extras | changes)


def study(dataset="shapes"):
    """Three methods by three seeds, one of them without a training."""
    results = []
    for seed in (1, 2, 3):
        results.append(result("zero-shot", seed, 0.61, 0.58, dataset=dataset, seconds={"test": 1.0}))
        results.append(trained("aape-no-distill", seed, 0.78 + 0.01 * seed, 0.60 + 0.005 * seed, dataset=dataset))
        results.append(trained("aape", seed, 0.77 + 0.012 * seed, 0.65 + 0.004 * seed, dataset=dataset))
    return results


def write(results, folder):
    """Write results where a protocol writes them."""
    for one in results:
        one.write(folder / one.dataset / one.method / f"seed{one.seed}")
    return folder
