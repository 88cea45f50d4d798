import pytest
import torch
from aape_lightning.errors import LanguageModelError, RecipeError
from aape_lightning.language import Decoding, embed_segments, generate, load_language_model

LENGTH = 12
METHODS = [Decoding(max_new_tokens=LENGTH), Decoding(method="beam", beams=3, max_new_tokens=LENGTH)]


@pytest.fixture(scope="module")
def shapes():
    return load_language_model("shapes-lm")


def rows_of(language):
    torch.manual_seed(2)
    soft = [torch.randn(length, language.width) for length in (2, 9, 1, 1)]
    return [[soft[0], " a"], [soft[1], " Q: red? A:"], [soft[2]], [" a big red", soft[3]]]


def read(language, rows):
    return embed_segments(language, rows, side="left")


def plain_greedy(language, row):
    """Token by token, one row alone, each time reading all of it anew."""
    table, tokens = language.model.get_input_embeddings(), []
    embedded = embed_segments(language, [row]).embeddings
    while len(tokens) < LENGTH and language.tokenizer.eos_token_id not in tokens:
        with torch.no_grad():
            tokens.append(int(language.model(inputs_embeds=embedded, use_cache=False).logits[0, -1].argmax()))
        embedded = torch.cat([embedded, table(torch.tensor([tokens[-1:]]))], dim=1)
    return language.tokenizer.decode(tokens, skip_special_tokens=True).strip()


def test_greedy_takes_the_likeliest_token_each_time(language):
    """The cache, the padding and the batch change nothing: the witness has none of them."""
    rows = rows_of(language)
    texts = generate(language, read(language, rows), METHODS[0])
    assert texts == [plain_greedy(language, row) for row in rows]
    assert len(set(texts)) > 1


@pytest.mark.parametrize("decoding", METHODS, ids=["greedy", "beam"])
def test_a_batch_writes_what_each_row_alone_does(language, decoding):
    rows = rows_of(language)
    alone = [generate(language, read(language, [row]), decoding)[0] for row in rows]
    assert generate(language, read(language, rows), decoding) == alone


def test_generation_without_a_cache_is_the_same(language):
    batch = read(language, rows_of(language))
    texts = generate(language, batch, METHODS[0])
    tokens = language.model.generate(
        inputs_embeds=batch.embeddings, attention_mask=batch.attention_mask, max_new_tokens=LENGTH, use_cache=False
    )
    assert [text.strip() for text in language.tokenizer.batch_decode(tokens, skip_special_tokens=True)] == texts


@pytest.mark.parametrize("decoding", METHODS, ids=["greedy", "beam"])
def test_text_alone_is_continued_as_transformers_continues_it(language, decoding):
    text = " a big red"
    tokens = language.tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
    written = language.model.generate(
        tokens,
        attention_mask=torch.ones_like(tokens),
        max_new_tokens=LENGTH,
        num_beams=1 if decoding.method == "greedy" else 3,
    )[0, tokens.shape[1] :]
    expected = language.tokenizer.decode(written, skip_special_tokens=True).strip()
    assert generate(language, read(language, [[text]]), decoding) == [expected]


def test_one_beam_is_greedy(language):
    batch = read(language, rows_of(language))
    single = Decoding(method="beam", beams=1, max_new_tokens=LENGTH)
    assert generate(language, batch, single) == generate(language, batch, METHODS[0])


def test_beams_find_a_likelier_text(shapes):
    """The mean log-probability of what they write, which is what they search for, over some prompts."""
    rows = [[f"<|endoftext|>{word}"] for word in ("a", "two", "the", "there", "it", "one", "this", "Q:")]

    def likelihood(decoding):
        totals = []
        for row, text in zip(rows, generate(shapes, read(shapes, rows), decoding), strict=True):
            batch = embed_segments(shapes, [row], [f" {text}"])
            with torch.no_grad():
                scores = shapes.model(inputs_embeds=batch.embeddings).logits[0, :-1].log_softmax(-1)
            labels = batch.labels[0, 1:]
            said = labels >= 0
            totals.append(scores[said].gather(1, labels[said][:, None]).mean().item())
        return sum(totals)

    assert likelihood(Decoding(method="beam")) > likelihood(Decoding())


# ---- sampling ------------------------------------------------------------------------------------------------------


def test_the_seed_decides_what_is_drawn_and_nothing_else_does(shapes):
    batch = read(shapes, [["<|endoftext|>"]] * 4)
    drawn = generate(shapes, batch, Decoding(method="nucleus"))
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert generate(shapes, batch, Decoding(method="nucleus")) == drawn
    assert torch.equal(torch.get_rng_state(), state)
    assert generate(shapes, batch, Decoding(method="nucleus", seed=1)) != drawn
    assert len(set(drawn)) > 1


def test_the_nucleus_holds_the_likeliest_tokens_up_to_its_share(language):
    """Of 4,000 first tokens each is one of the nucleus, about as often as its probability says."""
    row, temperature, top_p = rows_of(language)[0], 1.5, 0.8
    decoding = Decoding(method="nucleus", top_p=top_p, temperature=temperature, max_new_tokens=1)
    with torch.no_grad():
        scores = language.model(inputs_embeds=embed_segments(language, [row]).embeddings).logits[0, -1]
    chances, order = (scores / temperature).softmax(-1).sort(descending=True)
    size = int((chances.cumsum(0) < top_p).sum()) + 1
    texts = generate(language, read(language, [row] * 4000), decoding)
    share = {}
    for token, chance in zip(order[:size].tolist(), (chances[:size] / chances[:size].sum()).tolist(), strict=True):
        text = language.tokenizer.decode([token], skip_special_tokens=True).strip()
        share[text] = share.get(text, 0.0) + chance
    assert set(texts) <= set(share)
    for text, chance in share.items():
        assert texts.count(text) / 4000 == pytest.approx(chance, abs=0.04)


def test_a_nucleus_of_nothing_is_greedy(language):
    batch = read(language, rows_of(language))
    narrow = Decoding(method="nucleus", top_p=1e-6, max_new_tokens=LENGTH)
    assert generate(language, batch, narrow) == generate(language, batch, METHODS[0])


# ---- ends and lengths ----------------------------------------------------------------------------------------------


def test_what_follows_the_end_is_left_out(shapes):
    texts = generate(shapes, read(shapes, [["<|endoftext|>a"], ["<|endoftext|>Q: is there a"]]), Decoding())
    for text in texts:
        assert text
        assert text == text.strip()
        assert "<|" not in text


def test_no_more_is_written_than_is_asked_for(shapes):
    texts = generate(shapes, read(shapes, [["<|endoftext|>a"]]), Decoding(max_new_tokens=2))
    assert len(shapes.tokenizer(f" {texts[0]}").input_ids) <= 2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_half_precision_model_writes(small_lm, dtype):
    language = load_language_model(str(small_lm), dtype=dtype)
    texts = generate(language, read(language, [[torch.randn(2, 16), " a"], [" a"]]), Decoding(max_new_tokens=4))
    assert len(texts) == 2


def test_a_context_without_room_is_refused(language):
    batch = read(language, [[torch.zeros(40, 32)]])
    assert len(generate(language, batch, Decoding(max_new_tokens=8))) == 1
    with pytest.raises(LanguageModelError, match=r"40 tokens and 9 new ones.* 48 .*max_new_tokens"):
        generate(language, batch, Decoding(max_new_tokens=9))


def test_padding_on_the_right_is_refused(language):
    with pytest.raises(ValueError, match="side='left'"):
        generate(language, embed_segments(language, rows_of(language)), Decoding(max_new_tokens=2))


# ---- settings ------------------------------------------------------------------------------------------------------


def test_a_recipes_settings_fill_in_the_defaults():
    assert Decoding.of(None) == Decoding.of({}) == Decoding()
    assert Decoding.of({"method": "beam", "beams": 2}) == Decoding(method="beam", beams=2)
    assert Decoding.of({"temperature": 1}) == Decoding(temperature=1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "beams"}, "decoding's method is 'beams'; it must be one of greedy, beam, nucleus"),
        ({"beams": 0}, "beams is 0; it must be 1 or more"),
        ({"max_new_tokens": "ten"}, "max_new_tokens is 'ten'; it must be a value such as 40"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"top_p": 0.0}, "top_p is 0.0; it must be above 0 and at most 1"),
        ({"top_p": 90}, "top_p is 90.0; it must be"),
        ({"temperature": 0}, "temperature is 0.0; it must be above 0"),
        ({"temperature": None}, "temperature is None; it must be a value such as 0.7"),
        ({"seed": 0.5}, "seed is 0.5; it must be a value such as 0"),
        ({"beam": 3}, "decoding has no 'beam'; it has method, beams, .*Did you mean 'beams'?"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(RecipeError, match=message):
        Decoding.of(settings)
