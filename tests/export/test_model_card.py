"""The model card, as the Hub and as people read it."""

import dataclasses

import pytest
from aape_lightning.errors import ResultError
from aape_lightning.inference.card import model_card
from aape_lightning.protocols.results import Result


def result(saved, **changes):
    values = {"protocol": "test", "recipe": "toy", "dataset": "toy", "method": "aape", "seed": 1, "config_hash": "x"}
    values |= {"metrics": {"accuracy": 0.8125}, "backbone": dict(saved.backbone_spec)}
    return Result(**values | changes)


def on(saved, name):
    spec = saved.hyper_parameters["backbone_spec"] | {"name": name}
    return dataclasses.replace(saved, hyper_parameters=saved.hyper_parameters | {"backbone_spec": spec})


def test_the_hub_reads_its_metadata(saved):
    card = model_card(on(saved, "ViT-B/16"), results=[result(saved)], licence="mit", name="me/toy")
    data = card.data
    assert (data.library_name, data.license, data.base_model) == (
        "aape-lightning",
        "mit",
        "openai/clip-vit-base-patch16",
    )
    assert (data.datasets, data.pipeline_tag) == (["toy"], "zero-shot-image-classification")
    measured = data.eval_results[0]
    assert (measured.dataset_type, measured.metric_type, measured.metric_value) == ("toy", "accuracy", 0.8125)
    assert "clip" in data.tags


def test_people_read_how_it_is_loaded_and_what_it_measured(saved):
    text = model_card(on(saved, "ViT-B/16"), results=[result(saved)], licence="mit", name="me/toy").text
    assert 'AdaptedCLIP.from_pretrained("me/toy")' in text
    assert "| toy | accuracy | 0.8125 |" in text
    assert "Classes trained on (3): red car, blue boat, green tree." in text
    assert "arxiv.org/abs/2410.23698" in text
    for heading in ("Use", "Training", "Results", "Limits", "Licence", "Citation"):
        assert f"\n## {heading}\n" in text


def test_the_example_in_the_card_is_python(saved):
    text = model_card(saved, name="me/toy").text
    compile(text.split("```python\n")[1].split("```")[0], "card", "exec")


def test_a_path_of_ones_own_machine_stays_there(saved):
    card = model_card(on(saved, "/home/me/secret/clip.pt"))
    assert "secret" not in card.content
    assert 'backbone="PATH/clip.pt"' in card.text
    assert card.data.base_model is None
    told = saved.hyper_parameters | {"language_model": "/home/me/secret/lm"}
    assert "`language_model` lm" in model_card(dataclasses.replace(saved, hyper_parameters=told)).text


def test_without_results_and_licence_it_says_so(saved):
    card = model_card(saved)
    assert "None are recorded here." in card.text
    assert "Its owner has not stated one." in card.text
    assert card.data.license == "unknown"
    assert card.data.eval_results is None


def test_many_classes_are_counted(saved):
    many = dataclasses.replace(saved, inference={"class_names": [f"kind {k}" for k in range(50)]}, tensors={})
    assert "Classes trained on (50): kind 0," in model_card(many).text
    assert "and 30 more" in model_card(many).text


def test_a_result_of_another_backbone_is_refused(saved):
    with pytest.raises(ResultError, match="no result of this model"):
        model_card(saved, results=[result(saved, backbone={"name": "other", "fingerprint": "f"})])


def test_names_are_no_html_and_stay_on_their_line(saved):
    names = ["<script>alert(1)</script>", "two\n# lines", 'colt\'s "foot" & co', "</pre><img src=x onerror=alert(1)>"]
    evil = dataclasses.replace(
        on(saved, "/home/<b>me</b>.pt"),
        inference=saved.inference | {"class_names": names, "dataset": "<i>", "templates": ["a <b>{}</b>."]},
        tensors={},
    )
    text = model_card(evil).text
    assert "<" not in text.replace("<table", "")
    assert '&lt;script&gt;alert(1)&lt;/script&gt;, two # lines, colt\'s "foot" &amp; co' in text
    assert not [line for line in text.splitlines() if line.startswith("# lines")]
