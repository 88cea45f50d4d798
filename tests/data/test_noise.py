from collections import Counter
from itertools import pairwise

import pytest
import torch
from aape_lightning.data.noise import inject
from aape_lightning.errors import PromptError
from aape_lightning.prompts import PromptBank

SENTENCES = {name: [f"{name} is like this {k}." for k in range(8 + n)] for n, name in enumerate("abcdefgh")}
RATES = (0.05, 0.2, 0.4, 0.5, 0.8)


def bank_of(sentences):
    """A bank in which every text has an embedding of its own, whatever its place."""
    texts = [text for group in sentences.values() for text in group]
    numbers = torch.tensor([[float(hash(text.lower()) % 9973), 1.0] for text in texts])
    return PromptBank(numbers, torch.tensor([0, *map(len, sentences.values())]).cumsum(0), list(sentences), texts)


def noisy(rate, seed=1, sentences=SENTENCES):
    bank = inject(bank_of(sentences), rate, seed)
    return {name: bank.sentences(name) for name in bank.keys}


def injected(rate, seed=1, sentences=SENTENCES):
    found = noisy(rate, seed, sentences)
    return {name: texts[len(sentences[name]) :] for name, texts in found.items()}


@pytest.mark.parametrize("rate", RATES)
def test_every_own_sentence_stays_in_front_and_the_rest_are_the_rate(rate):
    for name, texts in noisy(rate).items():
        own = SENTENCES[name]
        assert texts[: len(own)] == own
        assert len(texts) - len(own) == round(len(own) * rate / (1 - rate))
        assert (len(texts) - len(own)) / len(texts) == pytest.approx(rate, abs=0.5 / len(own))


@pytest.mark.parametrize("rate", RATES)
def test_what_is_injected_belongs_to_other_classes_and_comes_once(rate):
    owner = {text: name for name, texts in SENTENCES.items() for text in texts}
    for name, texts in injected(rate).items():
        assert name not in {owner[text] for text in texts}
        assert len(set(texts)) == len(texts)


def test_embeddings_go_with_their_sentences():
    clean, bank = bank_of(SENTENCES), inject(bank_of(SENTENCES), 0.5, 1)
    of_text = dict(zip(clean.texts, clean.embeddings.tolist(), strict=True))
    assert bank.embeddings.tolist() == [of_text[text] for text in bank.texts]


@pytest.mark.parametrize("rate", RATES)
def test_the_draw_depends_neither_on_the_order_of_classes_nor_of_sentences(rate):
    turned = {name: SENTENCES[name][::-1] for name in reversed(SENTENCES)}
    assert injected(rate, sentences=turned) == injected(rate)


def test_the_seed_and_the_class_decide():
    assert injected(0.5) == injected(0.5)
    assert injected(0.5, seed=2) != injected(0.5)
    twins = {"a": ["x 1", "x 2", "x 3"], "b": ["x 1", "x 2", "x 3"]} | {"c": [f"y {k}" for k in range(40)]}
    found = injected(0.5, sentences=twins)
    assert found["a"] != found["b"]


def test_all_other_classes_are_drawn_from():
    owner = {text: name for name, texts in SENTENCES.items() for text in texts}
    drawn = Counter(owner[text] for seed in range(200) for text in injected(0.5, seed)["a"])
    assert drawn.keys() == set("bcdefgh")
    for name, count in drawn.items():  # by their number of sentences, 9 to 15 of 84
        assert count / drawn.total() == pytest.approx(len(SENTENCES[name]) / 84, abs=0.03)


def test_a_higher_rate_adds_to_a_lower_one():
    for low, high in pairwise(RATES):
        for name, texts in injected(high).items():
            assert texts[: len(injected(low)[name])] == injected(low)[name]


def test_where_others_have_too_few_each_comes_before_any_comes_again():
    few = {"a": [f"a {k}" for k in range(10)], "b": ["b 0", "b 1", "b 2"]}
    drawn = injected(0.5, sentences=few)["a"]
    assert len(drawn) == 10
    assert sorted(Counter(drawn).values()) == [3, 3, 4]
    assert set(drawn[:3]) == set(few["b"])


def test_what_a_class_has_itself_is_never_injected_whatever_its_case():
    shared = {"a": ["It is red.", "It is round."], "b": ["it is RED.", "It is blue."], "c": ["It is round."]}
    assert set(injected(0.8, sentences=shared)["a"]) == {"It is blue."}
    assert set(injected(0.8, sentences=shared)["b"]) == {"It is round."}


def test_without_noise_the_bank_is_the_same():
    bank = bank_of(SENTENCES)
    assert inject(bank, 0.0, 1) is bank


@pytest.mark.parametrize("rate", [-0.1, 1.0, 2.0, float("nan")])
def test_a_rate_out_of_range_is_refused(rate):
    with pytest.raises(PromptError, match=rf"noise is {rate}; .* from 0 to below 1"):
        inject(bank_of(SENTENCES), rate, 1)


@pytest.mark.parametrize("sentences", [{"a": ["x", "y"]}, {"a": ["x", "y"], "b": ["X"]}])
def test_a_class_that_lacks_no_sentence_of_the_others_is_refused(sentences):
    with pytest.raises(PromptError, match=rf"'a' lacks.*noise 0\.5.*holds {len(sentences)} name"):
        inject(bank_of(sentences), 0.5, 1)
