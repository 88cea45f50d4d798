"""What is read from a file, and what is refused of it: a stranger may have written it."""

import pickle

import aape_lightning
import pytest
import torch
from aape_lightning.errors import CheckpointError
from aape_lightning.inference import read_saved
from aape_lightning.tasks import AggregatorTask, ClassificationTask


def test_it_holds_what_the_run_recorded(by_template, by_sentences, toy):
    data = toy(classes="base")
    data.setup("fit")
    saved = read_saved(by_template / "aape.ckpt")
    assert saved.task == "ClassificationTask"
    assert saved.hyper_parameters["projection"] == "residual"
    assert {name.split(".")[0] for name in saved.state_dict} == {"generator", "projection"}
    assert saved.inference == {
        "dataset": "toy",
        "class_names": data.class_names,
        "class_text": "a photo of a {}.",
        "templates": ["a photo of a {}."],
    }
    torch.testing.assert_close(saved.tensors["class_embeddings"], data.class_embeddings)
    inference = read_saved(by_sentences).inference
    assert (inference["class_text"], inference["templates"]) == ("prompts", ["a photo of a {}.", "a drawing of a {}."])


def test_it_holds_how_text_was_asked_for_and_written(captioner, answerer, chooser, retriever):
    written = read_saved(captioner).inference
    assert (written["prompt"], written["image_tokens"]) == ("", "grid")
    assert written["decoding"]["max_new_tokens"] == 6
    assert read_saved(answerer).inference["question_prompt"] == "Q: {} A:"
    assert read_saved(chooser).inference == {"dataset": "toy_inference"}
    assert read_saved(retriever).inference == {"dataset": "toy_captions"}


def test_the_last_checkpoint_gives_the_same_task(by_template):
    last, aape = read_saved(by_template / "last.ckpt"), read_saved(by_template / "aape.ckpt")
    assert (last.hyper_parameters, last.inference) == (aape.hyper_parameters, aape.inference)
    assert last.state_dict.keys() == aape.state_dict.keys()
    assert all(torch.equal(last.state_dict[name], aape.state_dict[name]) for name in last.state_dict)
    task = aape.build()
    assert not task.training
    assert not any(parameter.requires_grad for parameter in task.parameters())
    assert task.aggregator is None


def test_a_run_goes_on_from_a_checkpoint_that_holds_them(by_template, toy, quiet_trainer):
    task = ClassificationTask(aggregator_epochs=1, lr=1e-2)
    trainer = quiet_trainer(max_epochs=3)
    trainer.fit(task, datamodule=toy(classes="base"), ckpt_path=by_template / "last.ckpt", weights_only=True)
    trained = torch.load(by_template / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, trained[name]) for name, value in task.state_dict().items())


def test_a_checkpoint_of_earlier_versions_needs_names_and_says_so(by_template, changed, test_images, toy):
    older = changed(by_template / "aape.ckpt", lambda checkpoint: checkpoint.pop("inference"))
    model = aape_lightning.load(older, device="cpu")
    with pytest.raises(CheckpointError, match="No class names are given, and none are recorded"):
        model.classify(test_images)
    names = read_saved(by_template).inference["class_names"]
    with pytest.warns(UserWarning, match="does not record what its classes were called by"):
        result = model.classify(test_images, names)
    expected = aape_lightning.load(by_template, device="cpu").classify(test_images).probabilities
    torch.testing.assert_close(result.probabilities, expected, atol=1e-5, rtol=0)


# ---- what is refused -----------------------------------------------------------------------------------------------

RUN = []


class Runs:
    def __reduce__(self):
        return RUN.append, ("code of the file",)


def test_a_file_runs_no_code(tmp_path):
    for write in (lambda path: torch.save({"state_dict": Runs(), "hyper_parameters": {}}, path), write_pickle):
        write(tmp_path / "evil.ckpt")
        with pytest.raises(CheckpointError, match="no checkpoint, or one that would run code"):
            read_saved(tmp_path / "evil.ckpt")
    assert RUN == []


def write_pickle(path):
    path.write_bytes(pickle.dumps(Runs()))


def named(name):
    def change(checkpoint):
        checkpoint["hyper_parameters"]["_class_path"] = name

    return change


def set_to(name, value):
    def change(checkpoint):
        checkpoint["hyper_parameters"][name] = value

    return change


def spec(name, value):
    def change(checkpoint):
        checkpoint["hyper_parameters"]["backbone_spec"][name] = value

    return change


def inference(name, value):
    def change(checkpoint):
        checkpoint["inference"]["values"][name] = value

    return change


def embeddings(tensor):
    def change(checkpoint):
        checkpoint["inference"]["tensors"]["class_embeddings"] = tensor

    return change


def weight(name, tensor):
    def change(checkpoint):
        checkpoint["state_dict"][name] = tensor

    return change


REFUSED = {
    "a class of elsewhere": (named("os.system"), "only those of aape_lightning are built"),
    "a class of no task": (named("aape_lightning.files.write_text"), "a task 'write_text', which is none of"),
    "a misspelt task": (named("aape_lightning.ClasificationTask"), "Did you mean 'ClassificationTask'"),
    "no class": (named(None), "is of the class None"),
    "an unknown hyper-parameter": (set_to("colour", 1), "does not take: 'colour'"),
    "a form that is none": (set_to("projection", "round"), "hyper-parameters"),
    "a number that is none": (set_to("lr", "fast"), "hyper-parameters"),
    "no backbone": (set_to("backbone_spec", None), "records no backbone"),
    "a backbone of another form": (set_to("backbone_spec", ["ViT-B/16"]), "backbone_spec is wrong"),
    "a backbone too wide": (spec("embed_dim", 10**9), r"backbone_spec\.embed_dim is wrong: .*less than"),
    "another width": (spec("embed_dim", 64), "class_embeddings must be float32 of shape"),
    "no temperature": (spec("logit_scale", float("nan")), r"logit_scale is wrong"),
    "an unknown key": (inference("command", "ls"), r"inference\.command is wrong"),
    "weights of another form": (
        lambda c: c.update(state_dict=[1.0]),
        "state_dict must be tensors by name, and is list",
    ),
    "keys that are none": (lambda c: c["hyper_parameters"].update({1: 2}), "hyper-parameters"),
    "names that are none": (inference("class_names", [1, 2, 3]), r"inference\.class_names\.0 is wrong"),
    "other names than embeddings": (
        inference("class_names", ["a"]),
        r"of shape \(1, 32\), and are .* \(3, 32\)",
    ),
    "embeddings that are none": (
        embeddings([1.0]),
        "by name; 'class_embeddings' is not",
    ),
    "a tensor that is unknown": (lambda c: c["inference"]["tensors"].update(x=torch.ones(1)), "not known: 'x'"),
    "a weight too many": (weight("generator.more", torch.ones(3)), "weights are not those of a ClassificationTask"),
    "a weight of another shape": (weight("generator.inner.weight", torch.ones(3)), "weights are not those of"),
    "a weight that is none": (weight("generator.inner.weight", [1.0]), "'generator.inner.weight' is not"),
    "no weight": (lambda checkpoint: checkpoint["state_dict"].clear(), "no trained weights"),
    "a weight too few": (lambda c: c["state_dict"].pop("generator.inner.weight"), "weights are not those of"),
    "no hyper-parameters": (lambda checkpoint: checkpoint.pop("hyper_parameters"), "it lacks 'hyper_parameters'"),
    "recorded values of another form": (lambda c: c.update(inference=[1]), "No trained task can be read"),
}


@pytest.mark.parametrize(("change", "words"), REFUSED.values(), ids=REFUSED)
def test_what_a_file_may_not_hold(change, words, by_template, changed):
    path = changed(by_template / "aape.ckpt", change)
    with pytest.raises(CheckpointError, match=words):
        read_saved(path).build()


@pytest.mark.parametrize("more", [torch.ones(1).expand(10**9), torch.ones(0, 10**9)])
def test_a_size_is_taken_from_no_file_that_does_not_hold_it(more, chooser, changed):
    def grow(checkpoint):
        checkpoint["hyper_parameters"]["hidden"] = 10**9
        checkpoint["state_dict"]["answer_head.more"] = more

    with pytest.raises(CheckpointError, match="hidden is 1000000000, and none of its weights has that size"):
        read_saved(changed(chooser / "aape.ckpt", grow))


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04half a zip"])
def test_what_is_no_checkpoint_is_refused(content, tmp_path):
    (tmp_path / "x.ckpt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"No trained task can be read from .*x\.ckpt"):
        read_saved(tmp_path / "x.ckpt")


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"gone\.ckpt': there is no such file\. Name the aape\.ckpt of a run"):
        read_saved(tmp_path / "gone.ckpt")


def test_an_aggregator_alone_is_of_no_use(run, toy):
    folder = run(AggregatorTask(), toy(), max_epochs=1)
    with pytest.raises(CheckpointError, match="no trained weights that are used at test time"):
        read_saved(folder)
