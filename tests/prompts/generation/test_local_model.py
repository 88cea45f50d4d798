import json

import pytest
import torch
from aape_lightning.errors import PromptError
from aape_lightning.prompts.generation import LocalModel, Sampling
from aape_lightning.prompts.generation.requests import CHAT_STYLE, Request
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

SAMPLING = Sampling(temperature=0.99, max_tokens=6)
TEMPLATE = "{% for m in messages %}user {{ m['content'] }} {% endfor %}{% if add_generation_prompt %}bot{% endif %}"
WORDS = [
    "<start>",
    "<end>",
    "<unk>",
    "user",
    "bot",
    ".",
    *CHAT_STYLE.rstrip(".").split(),
    "Describe",
    "a",
    "dog",
    "cat",
]


def save_model(folder, *, chat_template=None, ends_with=None):
    """A language model of random weights that knows the words above; `ends_with` makes it write that word alone."""
    words = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single="<start> $A", special_tokens=[("<start>", 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>", unk_token="<unk>")
    tokenizer.chat_template = chat_template
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    size = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 64, "vocab_size": len(WORDS)}
    model = GPT2LMHeadModel(GPT2Config(**size, bos_token_id=1, eos_token_id=1))
    if ends_with is not None:
        model.transformer.ln_f.weight.data.zero_()
        model.transformer.ln_f.bias.data.copy_(1000 * model.transformer.wte.weight[WORDS.index(ends_with)])
        model.transformer.wte.weight.data.mul_(20)
    model.save_pretrained(folder)
    return str(folder)


def ask(name, wanted, sampling=SAMPLING, **settings):
    replies = []
    model = LocalModel(name, **settings)
    outcome = model.ask(wanted, sampling, lambda request, reply: replies.append((request, reply)))
    assert (outcome.retries, outcome.failures) == (0, [])
    return replies


DOG, CAT = Request("dog", "Describe a dog"), Request("cat", "Describe a big and old cat")


def test_every_request_gets_its_answers_whatever_the_batch(tmp_path):
    name = save_model(tmp_path, ends_with="dog")
    replies = ask(name, [(DOG, 3), (CAT, 4)], batch=2)
    assert [request for request, _ in replies] == [DOG] * 3 + [CAT] * 4
    for request, reply in replies:
        assert [answer.text for answer in reply.answers] == ["dog dog dog dog dog dog"]
        assert [answer.finish for answer in reply.answers] == ["length"]
        assert reply.tokens_in == 1 + len(request.question.split())
        assert reply.tokens_out == 6


def test_an_answer_ends_with_the_end_token_and_is_counted_without_it(tmp_path):
    name = save_model(tmp_path, ends_with="<end>")
    (_, reply) = ask(name, [(DOG, 1)])[0]
    assert (reply.answers[0].text, reply.answers[0].finish, reply.tokens_out) == ("", "stop", 0)


def test_answers_are_sampled_and_greedy_ones_are_not(tmp_path):
    name = save_model(tmp_path)
    sampled = ask(name, [(DOG, 16)], batch=16)
    assert len({reply.answers[0].text for _, reply in sampled}) > 8
    greedy = ask(name, [(DOG, 3)], Sampling(0.0, 6))
    assert len({reply.answers[0].text for _, reply in greedy}) == 1


def test_padding_does_not_change_an_answer(tmp_path):
    name, greedy = save_model(tmp_path), Sampling(0.0, 6)
    alone = {request: reply for request, reply in ask(name, [(DOG, 1), (CAT, 1)], greedy, batch=1)}
    together = {request: reply for request, reply in ask(name, [(DOG, 1), (CAT, 1)], greedy, batch=2)}
    assert together == alone


@pytest.mark.parametrize("template", [None, TEMPLATE], ids=["plain", "chat"])
def test_a_chat_model_is_asked_in_its_template(template, tmp_path, monkeypatch):
    name, seen = save_model(tmp_path, chat_template=template), []
    call = PreTrainedTokenizerFast.__call__

    def watch(self, texts, **settings):
        if isinstance(texts, list):  # loading tries the tokeniser on a text of its own
            seen.extend(texts)
        return call(self, texts, **settings)

    monkeypatch.setattr(PreTrainedTokenizerFast, "__call__", watch)
    (_, reply) = ask(name, [(DOG, 1)])[0]
    plain, chat = "Describe a dog", f"user Describe a dog\n{CHAT_STYLE} bot"
    assert seen == [plain if template is None else chat]
    # A template brings its own start token, were there one; the full stop is a token of its own.
    assert reply.tokens_in == (1 + 3 if template is None else 1 + 3 + len(CHAT_STYLE.split()) + 1 + 1)


def test_a_models_own_generation_settings_do_not_narrow_the_sampling(tmp_path):
    name = save_model(tmp_path)
    path = tmp_path / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"top_k": 1, "top_p": 0.01, "do_sample": True}))
    sampled = ask(name, [(DOG, 16)], batch=16)
    assert len({reply.answers[0].text for _, reply in sampled}) > 8


def test_a_folder_without_a_model_is_an_error_that_names_it(tmp_path):
    with pytest.raises(PromptError, match=r"--local\) is a folder without a causal language model.*--local FOLDER"):
        ask(str(tmp_path), [(DOG, 1)])


def test_weights_that_are_cut_off_are_an_error_that_names_the_folder(tmp_path):
    name = save_model(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(PromptError, match=r"--local\) is a folder without"):
        ask(name, [(DOG, 1)])


def test_an_unknown_name_is_an_error_that_says_how_to_get_one(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(PromptError, match=r"'nobody/nothing' \(--local\) is neither a folder.*hf download"):
        ask("nobody/nothing", [(DOG, 1)])
