import pytest
import torch
from aape_lightning.language import load_language_model, new_language_model, save_language_model, train_tokenizer
from small_texts import TEXTS


@pytest.fixture(scope="session")
def small_tokenizer():
    return train_tokenizer(TEXTS, 300, 24)


@pytest.fixture(scope="session")
def small_lm(small_tokenizer, tmp_path_factory):
    """The folder of a language model of random weights: width 16, context 24."""
    torch.manual_seed(0)
    model = new_language_model(small_tokenizer, width=16, layers=2, heads=2, context=24)
    folder = tmp_path_factory.mktemp("lm") / "small"
    save_language_model(model, small_tokenizer, folder)
    return folder


@pytest.fixture(scope="session")
def beginning_tokenizer(small_tokenizer):
    """The small tokeniser as OPT's is: it begins each text with the end token; context 48."""
    import copy

    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    backend = copy.deepcopy(small_tokenizer.backend_tokenizer)
    end = small_tokenizer.eos_token
    backend.post_processor = processors.TemplateProcessing(
        single=f"{end} $A", special_tokens=[(end, small_tokenizer.eos_token_id)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=end, model_max_length=48)


def _gpt2(**settings):
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=48, **settings))


def _gptj(**settings):
    from transformers import GPTJConfig, GPTJForCausalLM

    return GPTJForCausalLM(GPTJConfig(n_embd=32, n_layer=2, n_head=2, n_positions=48, rotary_dim=8, **settings))


def _opt(**settings):
    from transformers import OPTConfig, OPTForCausalLM

    sizes = {"hidden_size": 48, "word_embed_proj_dim": 32, "ffn_dim": 64, "num_hidden_layers": 2}
    positions = {"num_attention_heads": 2, "max_position_embeddings": 48, "init_std": 0.3}
    return OPTForCausalLM(OPTConfig(**sizes, **positions, do_layer_norm_before=True, **settings))


@pytest.fixture(scope="session", params=[_gpt2, _opt, _gptj], ids=["gpt2", "opt", "gptj"])
def language(request, beginning_tokenizer, tmp_path_factory):
    """A loaded language model of each architecture, of random weights: width 32, context 48, its end is its padding."""
    torch.manual_seed(0)
    end = beginning_tokenizer.eos_token_id
    settings = {"vocab_size": len(beginning_tokenizer), "bos_token_id": end, "eos_token_id": end, "pad_token_id": None}
    # A wide start, so that no two tokens are about as likely.
    wide = {} if request.param is _opt else {"initializer_range": 0.3}
    folder = tmp_path_factory.mktemp("architectures") / request.param.__name__
    save_language_model(request.param(**settings, **wide), beginning_tokenizer, folder)
    return load_language_model(str(folder))
