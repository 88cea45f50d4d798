import pytest
from aape_lightning.metrics import normalise_answer
from aape_lightning.metrics.answers import clean_answer


@pytest.mark.parametrize(
    ("answer", "by_the_rule"),
    [
        ("Yes", "yes"),
        ("  a  cat\tsat\n", "cat sat"),
        ("", ""),
        # Number words; from none and zero to ten only.
        ("none", "0"),
        ("Zero", "0"),
        ("Two dogs", "2 dogs"),
        ("ten", "10"),
        ("eleven", "eleven"),
        ("someone", "someone"),
        # Articles, as words.
        ("the a an", ""),
        ("An apple on the table", "apple on table"),
        ("theatre", "theatre"),
        # Punctuation: a space, or nothing where the mark stands beside a space.
        ("black/white", "black white"),
        ("black / white", "black white"),
        ("black, white", "black white"),
        ("black,white", "black white"),
        ("t-shirt", "t shirt"),
        ("t-shirt - blue", "tshirt blue"),
        ("really?!", "really"),
        ("night_stand", "night stand"),
        ('"stop" (sign)', "stop sign"),
        # Apostrophe and colon stay.
        ("the girl's", "girl's"),
        ("2:50 PM", "2:50 pm"),
        # A comma between digits, and then every other mark goes without a space too.
        ("100,978", "100978"),
        ("1,000-2,000", "10002000"),
        # Periods, unless a digit follows.
        ("U.S.A.", "usa"),
        ("3.14", "3.14"),
        (".5", ".5"),
        ("5.", "5"),
        ("no. 5", "no 5"),
        # Contractions.
        ("dont", "don't"),
        ("It isnt", "it isn't"),
        ("wouldntve", "wouldntve"),
        ("wouldn'tve", "wouldn't've"),
        ("oclock", "o'clock"),
        ("'ows'at", "'ow's'at"),
        ("twas", "'twas"),
        ("somebody'd", "somebodyd"),
        ("Im", "im"),
        # The order of steps: marks go before articles, number words and contractions are looked for.
        ("a-b", "b"),
        ("one,two", "1 2"),
        ("dont!", "don't"),
    ],
)
def test_by_the_published_rule(answer, by_the_rule):
    assert normalise_answer(answer) == by_the_rule


def test_only_so_many_periods_go_as_the_official_evaluator_removes():
    assert normalise_answer("." * 40) == "." * 8


def test_cleaning_keeps_all_but_white_space():
    assert clean_answer(" The\tTwo,\ncats. ") == "The Two, cats."
