from aape_lightning.prompts.review.notes import Note, note_sentences

TEXTS = [" A dog. ", ".", "A pet.", "a DOG.", "It barks a lot.", "A pet that barks.", "It barks a lot."]


def test_each_sentence_of_the_file_is_noted_under_its_number():
    notes = note_sentences(TEXTS, {})
    assert [note.number for note in notes] == [1, 2, 3, 4, 5, 6, 7]
    assert notes[0] == Note(1, "A dog.")
    assert [note.number for note in notes if note.near_empty] == [2]
    assert {note.number: note.duplicate_of for note in notes if note.duplicate_of} == {4: 1, 7: 5}


def test_near_duplicates_go_by_the_numbers_of_the_file():
    curated = ["A dog.", "A pet.", "It barks a lot.", "A pet that barks."]
    repeats = {curated.index("A pet that barks."): (curated.index("A pet."), 0.98)}
    notes = note_sentences(TEXTS, repeats)
    assert [(note.number, note.near_duplicate_of, note.cosine) for note in notes if note.near_duplicate_of] == [
        (6, 3, 0.98)
    ]


def test_tokens_are_counted_where_there_is_a_counter():
    assert {note.tokens for note in note_sentences(TEXTS, {})} == {None}
    assert [note.tokens for note in note_sentences(TEXTS, {}, len)] == [6, 1, 6, 6, 15, 17, 15]


def test_a_class_without_a_usable_sentence_is_noted_too():
    assert [note.near_empty for note in note_sentences([".", "", "ok"], {})] == [True, True, True]
    assert note_sentences([], {}) == []
