import pytest
from aape_lightning.errors import PromptError
from aape_lightning.prompts import curate


def words(text):
    return len(text.split())


def curated(sentences, *, context_length=5, truncate=False):
    return curate(sentences, context_length=context_length, token_count=words, truncate=truncate)


MIXED = {
    "dog": ["A dog.", ".", "  a DOG. ", "It wags its tail and runs.", "", "ok", "A pet."],
    "cat": ["A dog.", "A cat."],
}


def test_what_is_kept_keeps_its_order_and_is_stripped():
    assert curated({"dog": ["  Zebra first. ", "Apple second.\n", "zoo"]}).sentences == {
        "dog": ["Zebra first.", "Apple second.", "zoo"]
    }


def test_every_drop_is_counted():
    curation = curated(MIXED)
    assert curation.sentences == {"dog": ["A dog.", "A pet."], "cat": ["A dog.", "A cat."]}
    assert (curation.near_empty, curation.duplicates, curation.too_long) == (3, 1, 1)
    total = sum(map(len, MIXED.values()))
    assert total == sum(map(len, curation.sentences.values())) + 5


def test_the_line_for_the_log_holds_the_counts():
    assert str(curated(MIXED)) == (
        "4 sentences for 2 classes; dropped 3 near-empty and 1 duplicate ones, dropped 1 beyond the context"
    )
    assert str(curated(MIXED, truncate=True)).endswith("truncated 1 beyond the context")


def test_three_characters_are_enough():
    curation = curated({"dog": ["ab", "abc", " ab "]})
    assert (curation.sentences, curation.near_empty) == ({"dog": ["abc"]}, 2)


def test_duplicates_count_within_a_class_whatever_their_case():
    curation = curated({"dog": ["A Dog.", "a dog.", "A DOG.", " A dog. "], "cat": ["A dog."]})
    assert curation.sentences == {"dog": ["A Dog."], "cat": ["A dog."]}
    assert curation.duplicates == 3


def test_the_context_is_the_longest_that_fits():
    curation = curated({"dog": ["one two three four five", "one two three four five six"]})
    assert curation.sentences == {"dog": ["one two three four five"]}
    assert curation.too_long == 1


def test_overlong_sentences_stay_whole_where_the_tokeniser_will_cut_them():
    long = "one two three four five six"
    curation = curated({"dog": [long, "short one"]}, truncate=True)
    assert curation.sentences == {"dog": [long, "short one"]}
    assert (curation.too_long, curation.truncated) == (1, True)


def test_a_repeated_overlong_sentence_is_a_duplicate():
    curation = curated({"dog": ["fine", "one two three four five six", "One two three four five six"]})
    assert (curation.duplicates, curation.too_long) == (1, 1)


def test_every_class_left_empty_is_listed():
    sentences = {f"class {k}": ["."] for k in range(12)} | {"dog": ["A dog."], "cat": [], "long": ["a b c d e f"]}
    with pytest.raises(PromptError, match="14 classes") as caught:
        curated(sentences)
    for name in sentences:
        assert (repr(name) in str(caught.value)) == (name != "dog")
    assert "--data.truncate true" in str(caught.value)


def test_the_input_is_left_alone():
    sentences = {"dog": [" A dog. ", "."]}
    curated(sentences)
    assert sentences == {"dog": [" A dog. ", "."]}
