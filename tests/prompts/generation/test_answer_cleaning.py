import pytest
from aape_lightning.prompts.generation.cleaning import clean_answer, is_refusal
from aape_lightning.prompts.generation.requests import Answer


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\n\n A gerenuk is an antelope.\n", "A gerenuk is an antelope."),
        ("A gerenuk is\nan antelope", "A gerenuk is an antelope."),
        ("A dog. It barks!", "A dog. It barks!"),
        ("Is it a dog?", "Is it a dog?"),
        ("A dog with ears,", "A dog with ears."),
        ("A dog :", "A dog."),
        ("1. A dog barks.", "A dog barks."),
        ("(2) A dog barks.", "A dog barks."),
        ("- A dog barks", "A dog barks."),
        ("• A dog barks", "A dog barks."),
        ("-4 door crew cab\n-5 passengers\n- V6 engine", "4 door crew cab, 5 passengers, V6 engine."),
        ("It has:\n* long ears;\n* short legs.", "It has: long ears; short legs."),
        ("**Beagle**: a `dog` with *long* ears", "Beagle: a dog with long ears."),
        ("## Beagle\n\nA small dog.", "A small dog."),
        ('"A dog barks."', "A dog barks."),
        ('"A dog barks".', "A dog barks."),
        ("“A dog barks”", "A dog barks."),
        ("'A dog barks.'", "A dog barks."),
        ('1. "A dog barks"', "A dog barks."),
        ('"Beagle" is a "hound".', '"Beagle" is a "hound".'),
        ('The sign says "stop."', 'The sign says "stop."'),
        ("'70s cars are big.", "'70s cars are big."),
        ("707-320 jets are long.", "707-320 jets are long."),
        ("3.5 m long", "3.5 m long."),
        ("Sure! A dog barks.", "A dog barks."),
        ("Certainly, a dog barks.", "a dog barks."),
        ("Surely a dog barks.", "Surely a dog barks."),
        ("<think>The user wants\na dog.</think>\n\nA dog barks.", "A dog barks."),
        ("<think>The user wants", ""),
        ("", ""),
        (" .\n", ""),
        ('""', ""),
        ("Ein Dackel läuft. 犬", "Ein Dackel läuft. 犬."),
    ],
)
def test_a_whole_answer_becomes_one_line(text, sentence):
    assert clean_answer(Answer(text, "stop")) == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("A dog barks. It has a lo", "A dog barks."),
        ("A dog barks! Does it bite? It has", "A dog barks! Does it bite?"),
        ("A dog barks.", "A dog barks."),
        ("A dog that barks and has a lo", "A dog that barks and has a lo."),
        ("A dog, e.g. a beagle, that has", "A dog, e.g. a beagle, that has."),
        ("It is 4.5 m long and 3", "It is 4.5 m long and 3."),
        ("A dog barks. Dr. Smith has", "A dog barks."),
        ('He says "stop." Then he', 'He says "stop."'),
        ('"A dog that barks', "A dog that barks."),
        ('1. "A dog barks. It', "A dog barks."),
    ],
)
def test_of_a_cut_answer_whole_sentences_are_left(text, sentence):
    assert clean_answer(Answer(text, "length")) == sentence


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, I cannot describe it.",
        "I am very sorry, but no.",
        "Sorry, I do not know this.",
        '"I\'m sorry."',
        "As an AI language model, I have no eyes.",
        "I am an AI and cannot see.",
        "I'm unable to describe it.",
        "I cannot provide that.",
        "I don't have information on that.",
        "Unfortunately, I have no data.",
        "I apologize, but no.",
        "<think>Hm.</think>I can't say.",
    ],
)
def test_a_refusal_is_known_by_its_words(text):
    assert is_refusal(Answer(text, "stop"))


def test_a_refusal_is_known_by_what_the_server_says():
    assert is_refusal(Answer("", "refused"))


@pytest.mark.parametrize(
    "text",
    ["A sorry sight.", "An AI chip is small.", "I can see a dog.", "Sorrel is a plant.", "As an air plant, it", ""],
)
def test_other_answers_are_no_refusals(text):
    assert not is_refusal(Answer(text, "stop"))
