"""The language model that ships: small, and it knows the world's language."""

import math

import pytest
import torch
from aape_lightning.data.shapes import shapes_captions, shapes_questions
from aape_lightning.data.text_sources import answered
from aape_lightning.language import load_language_model, next_token_loss
from aape_lightning.language.load import SHIPPED

CAPTIONS = [text for texts in shapes_captions("test").values() for text in texts]


@pytest.fixture(scope="module")
def lm():
    return load_language_model("shapes-lm")


def perplexity(lm, texts):
    """Of texts one by one, each after the end token and with its own."""
    end, total, count = lm.tokenizer.eos_token, 0.0, 0
    for start in range(0, len(texts), 100):
        batch = lm.tokenizer(
            [f"{end}{text}{end}" for text in texts[start : start + 100]], padding=True, return_tensors="pt"
        )
        mask = batch.attention_mask.bool()
        with torch.no_grad():
            loss = next_token_loss(lm.model(**batch).logits, batch.input_ids, mask)
        number = int(mask[:, 1:].sum())
        total, count = total + loss.item() * number, count + number
    return math.exp(total / count)


def test_the_files_are_small_enough_to_ship():
    assert sum(path.stat().st_size for path in SHIPPED["shapes-lm"].iterdir()) <= 4e6


def test_its_shape(lm):
    assert (lm.width, lm.context) == (128, 256)
    assert 1.0e6 < sum(parameter.numel() for parameter in lm.model.parameters()) < 1.5e6
    assert 500 < len(lm.tokenizer) <= 1000


def test_it_knows_the_captions_and_questions_of_scenes_that_it_never_read(lm):
    questions = [
        answered(asked.question, asked.answer) for about in shapes_questions("test").values() for asked in about
    ]
    assert perplexity(lm, CAPTIONS[:1000]) < 5
    assert perplexity(lm, questions[:1000]) < 2.2
    assert perplexity(lm, [" ".join(reversed(text.split())) for text in CAPTIONS[:200]]) > 50


def test_it_writes_captions_and_ends_them(lm):
    torch.manual_seed(0)
    start = torch.full((20, 1), lm.tokenizer.eos_token_id)
    written = lm.model.generate(
        start, attention_mask=torch.ones_like(start), max_new_tokens=60, do_sample=True, top_p=0.9
    )
    texts = lm.tokenizer.batch_decode(written, skip_special_tokens=True)
    assert all(text.startswith(("a ", "an ", "Q: ")) for text in texts)
    assert all(lm.tokenizer.eos_token_id in row[1:] for row in written.tolist())


def test_what_stands_before_leads_what_it_writes(lm):
    """A model that took no notice of its context could not be led by a prefix of soft tokens either."""
    captions = list(shapes_captions("test").values())[:200]
    end = lm.tokenizer.eos_token

    def surprise(before):
        """Mean loss of the tokens of each scene's last caption after four captions of the scene `before` places on."""
        losses = []
        for place, texts in enumerate(captions):
            context = "".join(f"{end}{text}" for text in captions[(place + before) % len(captions)][:4])
            start = len(lm.tokenizer(f"{context}{end}").input_ids)
            tokens = lm.tokenizer(f"{context}{end}{texts[4]}{end}", return_tensors="pt").input_ids
            with torch.no_grad():
                scores = lm.model(tokens).logits
            losses.append(next_token_loss(scores, tokens, torch.arange(tokens.shape[1])[None] >= start).item())
        return sum(losses) / len(losses)

    assert surprise(0) < 0.75 * surprise(7)
