import json
import re

import pytest
from aape_lightning.errors import ResultError
from aape_lightning.protocols.explanations import (
    EXPLANATIONS_FILE,
    Explanations,
    read_explanations,
    write_explanations,
)

COSINES = {"image_mean": 0.3, "image_aape": 0.7, "mean_aape": 0.4, "summary_aape": 0.9}
IMAGE = {
    "image": "a/1.png",
    "label": "cat",
    "choices": [{"name": "dog", "probability": 0.6}, {"name": "cat", "probability": 0.4}],
    "attended": [{"text": "It has ears.", "share": 0.8, "kind": "faithful"}],
    "others": 1,
    "others_share": 0.2,
}
CLASS = {
    "name": "cat",
    "images": 2,
    "sentences": 2,
    "half": 1,
    "most": [{"text": "It has ears.", "share": 0.8}],
    "least": [{"text": "It is grey.", "share": 0.2}],
    "cosines": COSINES,
}
WHOLE = {
    "manifest": "toy",
    "root": None,
    "parts": [{"classes": "base", "images": [IMAGE], "by_class": [CLASS]}],
}


def test_what_is_written_is_read(tmp_path):
    made = Explanations.model_validate_json(json.dumps(WHOLE))
    path = write_explanations(tmp_path / "aape" / "seed1", made)
    assert path == tmp_path / "aape" / "seed1" / EXPLANATIONS_FILE
    assert read_explanations(path) == made
    assert json.loads(path.read_text(encoding="utf-8")) == WHOLE  # kinds that are not known are left out


def test_the_verdict_is_of_the_first_choice():
    wrong, right = (IMAGE | {"choices": IMAGE["choices"][::step]} for step in (1, -1))
    images = [{"classes": "all", "images": [wrong, right], "by_class": [CLASS]}]
    made = Explanations.model_validate_json(json.dumps(WHOLE | {"parts": images}))
    assert [image.is_right for image in made.parts[0].images] == [False, True]


def changed(**fields):
    part = WHOLE["parts"][0]
    return json.dumps(WHOLE | {"parts": [part | {"images": [IMAGE | fields]}]})


MALFORMED = {
    "cut short": json.dumps(WHOLE)[:-9],
    "a list": "[]",
    "a field is missing": json.dumps({name: value for name, value in WHOLE.items() if name != "manifest"}),
    "a field is unknown": json.dumps(WHOLE | {"seed": 1}),
    "text for a number": changed(others="3"),
    "an unknown class subset": json.dumps(WHOLE | {"parts": [WHOLE["parts"][0] | {"classes": "old"}]}),
    "an image without a prediction": changed(choices=[]),
    "no class": json.dumps(WHOLE | {"parts": [WHOLE["parts"][0] | {"by_class": []}]}),
    "a sentence without its share": changed(attended=[{"text": "It has ears."}]),
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_file_is_an_error_that_names_it(content, tmp_path):
    path = tmp_path / EXPLANATIONS_FILE
    path.write_text(content)
    with pytest.raises(
        ResultError, match=f"^{re.escape(repr(str(path)))} is not a file of explanations .*result.json beside it"
    ):
        read_explanations(path)
