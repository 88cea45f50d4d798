import pytest
import torch
from aape_lightning.baselines import ZeroShotTask
from aape_lightning.data import ClassificationDataModule
from aape_lightning.data.shapes import CLASS_NAMES, sentence_truth, shapes_sentences
from aape_lightning.modules import Generator, build_aggregator
from aape_lightning.protocols.diagnostics import diagnose
from lightning.pytorch import LightningModule
from torch.nn import functional as F

KINDS = ("faithful", "irrelevant", "redundant", "wrong")
COSINES = {"cosine/prompt_mean", "cosine/summary", "cosine/aape"}


class Modules(LightningModule):
    """A task that is nothing but its modules, away from their start."""

    def __init__(self, **modules):
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)
        for parameter in self.parameters():
            torch.nn.init.normal_(parameter, std=0.3)


@pytest.fixture(scope="module")
def shapes_data(tiny_clip):
    """Makes a ClassificationDataModule over the shapes world's base classes that is ready to train."""

    def make(**changes):
        settings = {"backbone": str(tiny_clip), "prompts": "sentences", "shots": 1, "classes": "base"}
        data = ClassificationDataModule("shapes", **settings | {"num_workers": 0, "truncate": True} | changes)
        data.setup("fit")
        return data

    return make


@pytest.fixture(scope="module")
def data(shapes_data):
    return shapes_data()


@pytest.fixture
def toy(toy_data):
    made = toy_data()
    made.setup("fit")
    return made


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def both(variant="attention"):
    return Modules(aggregator=build_aggregator(variant, 32), generator=Generator(32))


def cosine(one, other):
    return (one @ other / (one.norm() * other.norm())).item()


def plain(task, data):
    """All values, image by image and sentence by sentence."""
    sums, images, kinds = {}, data._parts["val"].items, data.sentence_kinds()
    for item, image in zip(images, data._parts["val"].features[:, 0], strict=True):
        name = data.class_names[item.label]
        texts = data.bank.sentences(name)
        prompts = torch.cat([data.backbone.encode_text(data.backbone.tokenize([t], truncate=True)) for t in texts])
        mask = torch.ones(1, len(texts), dtype=torch.bool)
        with torch.no_grad():
            summary = task.aggregator(prompts[None], mask, image[None])[0]
            shares = task.aggregator.attention(prompts[None], mask, image[None])[0]
            aape = task.generator(image[None])[0]
        values = {"prompt_mean": prompts.mean(0), "summary": summary, "aape": aape}
        row = {f"cosine/{name}": cosine(image, value) for name, value in values.items()}
        for kind in KINDS if kinds else ():
            of_kind = [place for place, found in enumerate(kinds[item.label]) if found == kind]
            row[f"attention/{kind}"] = sum(shares[place].item() for place in of_kind)
            row[f"attention/uniform/{kind}"] = len(of_kind) / len(texts)
        for key, value in row.items():
            sums[key] = sums.get(key, 0.0) + value
    return {key: total / len(images) for key, total in sums.items()}


# ---- the kinds of sentences ----------------------------------------------------------------------------------------


def test_each_sentence_has_its_kind_in_the_banks_order(data):
    kinds = data.sentence_kinds()
    assert len(kinds) == len(data.class_names) == len(CLASS_NAMES) // 2
    for name, row in zip(data.class_names, kinds, strict=True):
        truth = dict(zip(shapes_sentences()[name], sentence_truth()[name], strict=True))
        assert row == [truth[text] for text in data.bank.sentences(name)]
    assert {kind for row in kinds for kind in row} == set(KINDS)


def test_kinds_follow_the_sentences_that_curation_drops(data, shapes_data):
    short = shapes_data(truncate=False)
    dropped = sum(len(row) for row in data.sentence_kinds()) - sum(len(row) for row in short.sentence_kinds())
    assert dropped > 0
    for name, row in zip(short.class_names, short.sentence_kinds(), strict=True):
        truth = dict(zip(shapes_sentences()[name], sentence_truth()[name], strict=True))
        assert row == [truth[text] for text in short.bank.sentences(name)]


def test_other_sentences_than_the_worlds_have_no_kinds(shapes_data):
    assert shapes_data(prompts="templates").sentence_kinds() == []


def test_other_datasets_know_no_kinds(toy):
    assert toy.sentence_kinds() == []


def test_without_sentences_there_are_no_kinds(toy_data):
    tested = toy_data()
    tested.setup("test")
    assert tested.sentence_kinds() == []


# ---- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ragged", [False, True])
def test_values_equal_loops_over_images_and_sentences(ragged, shapes_data):
    task, data = both(), shapes_data(truncate=not ragged)
    assert (len({len(row) for row in data.sentence_kinds()}) > 1) == ragged
    expected = plain(task, data)
    assert set(expected) == COSINES | {f"attention/{form}{kind}" for form in ("", "uniform/") for kind in KINDS}
    assert diagnose(task, data) == pytest.approx(expected, abs=1e-5)


def test_values_equal_loops_where_kinds_are_unknown(toy):
    task = both()
    expected = plain(task, toy)
    assert set(expected) == COSINES
    assert diagnose(task, toy) == pytest.approx(expected, abs=1e-5)


def test_shares_over_kinds_sum_to_one(data):
    values = diagnose(both(), data)
    for form in ("", "uniform/"):
        assert sum(values[f"attention/{form}{kind}"] for kind in KINDS) == pytest.approx(1, abs=1e-5)


def test_a_task_without_aggregator_gives_the_other_cosines(data):
    task = Modules(generator=Generator(32))
    values = diagnose(task, data)
    assert set(values) == {"cosine/prompt_mean", "cosine/aape"}
    images = data._parts["val"].features[:, 0]
    with torch.no_grad():
        expected = F.cosine_similarity(images, task.generator(images)).mean().item()
    assert values["cosine/aape"] == pytest.approx(expected, abs=1e-5)


def test_a_task_without_generator_gives_no_cosine_of_aape(data):
    values = diagnose(Modules(aggregator=build_aggregator("attention", 32)), data)
    assert COSINES & values.keys() == {"cosine/prompt_mean", "cosine/summary"}


def test_an_mlp_gives_cosines_alone(data):
    assert set(diagnose(both("mlp"), data)) == COSINES


@pytest.mark.parametrize("ragged", [False, True])
def test_the_mean_takes_of_each_kind_its_uniform_share(ragged, shapes_data):
    values = diagnose(both("mean"), shapes_data(truncate=not ragged))
    assert values["cosine/summary"] == pytest.approx(values["cosine/prompt_mean"], abs=1e-6)
    assert {name for name in values if name.startswith("attention/uniform/")} == {
        f"attention/uniform/{k}" for k in KINDS
    }
    for kind in KINDS:
        assert values[f"attention/{kind}"] == values[f"attention/uniform/{kind}"] > 0


def test_the_random_sentence_is_of_its_kind(data):
    task = both("random")
    values, chosen = diagnose(task, data), []
    for item in data._parts["val"].items:
        texts = data.bank.sentences(data.class_names[item.label])
        prompts = data.backbone.encode_text(data.backbone.tokenize(texts, truncate=True))
        chosen.append(data.sentence_kinds()[item.label][int((prompts @ task.aggregator.direction).argmax())])
    for kind in KINDS:
        assert values[f"attention/{kind}"] == pytest.approx(chosen.count(kind) / len(chosen), abs=1e-6)


# ---- noise ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["attention", "mean", "random"])
def test_what_injected_sentences_receive_is_told_in_any_dataset(variant, toy_data):
    data, task = toy_data(noise=0.4), both(variant)
    data.setup("fit")
    values = diagnose(task, data)
    names = {f"attention/{form}{kind}" for form in ("", "uniform/") for kind in ("own", "injected")}
    assert set(values) == COSINES | names
    own, images = (3, 4, 5, 6, 7), data._parts["val"].items
    more = [round(count * 0.4 / 0.6) for count in own]
    expected = sum(more[item.label] / (own[item.label] + more[item.label]) for item in images) / len(images)
    assert values["attention/uniform/injected"] == pytest.approx(expected, abs=1e-6)
    for form in ("", "uniform/"):
        assert values[f"attention/{form}own"] + values[f"attention/{form}injected"] == pytest.approx(1, abs=1e-5)
    assert (values["attention/injected"] == values["attention/uniform/injected"]) == (variant == "mean")


def test_attention_on_injected_sentences_equals_a_loop(toy_data):
    data, task = toy_data(noise=0.4), both()
    data.setup("fit")
    total, images = 0.0, data._parts["val"].items
    for item, image in zip(images, data._parts["val"].features[:, 0], strict=True):
        prompts, mask = data.bank.gather(torch.tensor([item.label]))
        with torch.no_grad():
            shares = task.aggregator.attention(prompts, mask, image[None])[0]
        total += shares[(3, 4, 5, 6, 7)[item.label] :].sum().item()
    assert diagnose(task, data)["attention/injected"] == pytest.approx(total / len(images), abs=1e-5)


def test_with_noise_the_shapes_world_keeps_its_kinds(data, shapes_data):
    noisy = shapes_data(noise=0.5)
    for clean, row in zip(data.sentence_kinds(), noisy.sentence_kinds(), strict=True):
        assert row == [*clean, *["injected"] * len(clean)]
    values = diagnose(both(), noisy)
    assert {name for name in values if name.startswith("attention/uniform/")} == {
        f"attention/uniform/{kind}" for kind in (*KINDS, "injected")
    }
    assert values["attention/uniform/injected"] == pytest.approx(0.5, abs=1e-6)


def test_a_dropped_aggregator_counts_as_none(data):
    task = both()
    task.aggregator = None
    assert set(diagnose(task, data)) == {"cosine/prompt_mean", "cosine/aape"}


def test_a_task_that_has_neither_gives_nothing(data):
    assert diagnose(ZeroShotTask(), data) == {}


def test_without_store_or_sentences_there_is_nothing(toy_data):
    unstored, tested = toy_data(store=False), toy_data()
    unstored.setup("fit")
    tested.setup("test")
    assert diagnose(both(), unstored) == diagnose(both(), tested) == {}


def test_nothing_is_recorded_for_a_gradient(data):
    task = both()
    diagnose(task, data)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in task.parameters())
