import pytest
from aape_lightning.errors import PromptError
from aape_lightning.prompts import match_names


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("face", "face"),
        ("Yin Yang", "yin_yang"),
        ("  apply   LIPSTICK ", "Apply_Lipstick"),
        ("apartment building (outdoor)", "outdoor apartment_building"),
        ("Audi TTS Coupe 2012", "2012 Audi TTS Coupe"),
        ("727-200", "727-200"),
    ],
)
def test_a_rule_resolves_it(key, name):
    assert match_names([key], [name], {}) == {name: key}


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("face (centered)", "face"),
        ("Audi 12", "12 Audi"),
        ("faces", "face"),
        ("2012 Audi", "Audi 2012"),
    ],
)
def test_no_rule_resolves_it(key, name):
    with pytest.raises(PromptError, match=f"1 of 1 classes have no sentences: '{name}'"):
        match_names([key], [name], {})


def test_an_alias_resolves_what_no_rule_does_whatever_its_spelling():
    aliases = {"CENTERED  face": "Face", "not in the file": "dog"}
    assert match_names(["centered_face", "dog"], ["face", "dog"], aliases) == {"face": "centered_face", "dog": "dog"}


def test_an_aliased_key_no_longer_answers_to_its_own_name():
    with pytest.raises(PromptError, match="'head'"):
        match_names(["head"], ["head", "face"], {"head": "face"})


@pytest.mark.parametrize("turned", [False, True])
def test_a_literal_reading_is_never_displaced_by_a_derived_one(turned):
    keys = ["building (outdoor)", "outdoor building"]
    assert match_names(keys[::-1] if turned else keys, ["outdoor building"], {}) == {
        "outdoor building": "outdoor building"
    }


def test_names_come_in_the_datasets_order_and_surplus_keys_are_ignored():
    matched = match_names(["c", "b", "a", "z"], ["b", "a", "c"], {})
    assert list(matched) == ["b", "a", "c"]


def test_every_class_without_a_key_is_listed_with_the_closest_key():
    listed = r"2 of 3 classes .*: 'snoopy_dog' \(closest: 'snoopy dogs'\), 'yin_yang'\."
    with pytest.raises(PromptError, match=listed) as caught:
        match_names(["face", "snoopy dogs"], ["snoopy_dog", "face", "yin_yang"], {})
    assert "aliases" in str(caught.value)


def test_a_long_list_of_classes_is_shortened():
    with pytest.raises(PromptError, match=r"30 of 30 classes.* and 10 more"):
        match_names([], [f"class {k}" for k in range(30)], {})
