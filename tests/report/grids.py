"""Results of the protocols that make grids, as runs would leave them, without running one."""

import math

from synthetic import result

TARGETS = ("pacs-art_painting", "pacs-cartoon", "pacs-sketch")
RATES = (0.0, 0.4, 0.8)
DROPS = {"prompt-mean": 0.3, "aape-mean": 0.2, "aape": 0.05}  # of accuracy from no noise to a rate of 1


def jitter(*what):
    """A number in [0, 1) that is the same whenever it is asked for."""
    return sum((place + 1) * ord(sign) for place, sign in enumerate(str(what))) % 101 / 101


def few_shot(method, seed, shots, accuracy, *, dataset="shapes", **changes):
    """One few-shot result."""
    metrics = {"accuracy": accuracy, "mean_class_accuracy": accuracy - 0.01}
    setting = {"data.shots": shots}
    return result(method, seed, dataset=dataset, protocol="few-shot", setting=setting, metrics=metrics, **changes)


def few_shot_study(dataset="shapes", methods=("zero-shot", "coop", "aape")):
    """Methods by numbers of shots by three seeds."""
    slopes = {"zero-shot": 0.0, "coop": 0.07, "aape": 0.04}
    return [
        few_shot(
            method,
            seed,
            shots,
            0.5 + slopes[method] * math.log2(2 * shots) + 0.02 * jitter(dataset, method, shots, seed),
            dataset=dataset,
        )
        for method in methods
        for shots in (1, 4, 16)
        for seed in (1, 2, 3)
    ]


def swept(method, seed, setting, base, new, **changes):
    """One result of a sweep over the base-to-new protocol."""
    return result(method, seed, base, new, protocol="sweep", setting=setting, **changes)


def noise_study(**changes):
    """Three methods by three rates by three seeds; two of them have an aggregator."""
    results = []
    for method, drop in DROPS.items():
        for rate in RATES:
            for seed in (1, 2, 3):
                base = 0.8 - drop * rate + 0.01 * jitter(method, rate, seed)
                share = rate if method == "aape-mean" else rate / 3
                shares = {"attention/injected": share, "attention/uniform/injected": rate}
                told = {} if method == "prompt-mean" else shares
                results.append(swept(method, seed, {"data.noise": rate}, base, base - 0.1, diagnostics=told, **changes))
    return results


def transfer(method, seed, metrics, *, protocol="domain-generalization", dataset="pacs", **changes):
    """One result of domain generalization or cross-dataset transfer."""
    return result(method, seed, dataset=dataset, protocol=protocol, metrics=metrics, **changes)


def transfer_study(targets=TARGETS, **changes):
    """Two methods by three seeds on a source and its targets."""
    return [
        transfer(
            method,
            seed,
            {
                f"{place}/{name}": level - 0.04 * order + 0.02 * jitter(method, seed, place)
                for order, place in enumerate(("source", *targets))
                for name in ("accuracy", "mean_class_accuracy")
            },
            **changes,
        )
        for method, level in {"coop": 0.85, "aape": 0.9}.items()
        for seed in (1, 2, 3)
    ]


def cost(method, parameters, gflops, **further):
    """One cost result."""
    metrics = {"cost/parameters": float(parameters), "cost/gflops": gflops, "cost/images_per_second": 900 / gflops}
    metrics |= {f"cost/{name}": value for name, value in further.items()}
    return result(method, 1, protocol="cost", metrics=metrics, versions={"device": "Tesla V100"})


def cost_study():
    """A method that is not trained, and two that are."""
    return [
        cost("zero-shot", 0, 17.58, peak_memory_mib=812.4),
        cost("cocoop", 35360, 120.4, train_seconds=30000.0, peak_memory_mib=9000.0),
        cost("aape", 82432, 17.71, train_seconds=148.0, peak_memory_mib=900.0),
    ]


def write(results, folder):
    """Write each result into a folder of its own."""
    for place, one in enumerate(results):
        one.write(folder / f"{one.dataset}{place}")
    return folder
