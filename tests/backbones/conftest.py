"""One small random model a family of backbones, written as that family's library writes it."""

import json
from string import ascii_lowercase

import pytest
import torch

EMBED_DIM, SIDE, CONTEXT = 32, 32, 24


@pytest.fixture(scope="session")
def clip_tokenizer():
    """transformers' CLIP tokeniser over the vocabulary that clip-anytorch ships."""
    from aape_lightning.backbones.clip import clip
    from transformers import CLIPTokenizer

    bpe = clip.clip._tokenizer
    merges = sorted(bpe.bpe_ranks, key=bpe.bpe_ranks.get)
    return CLIPTokenizer(vocab=bpe.encoder, merges=merges, model_max_length=CONTEXT)


@pytest.fixture(scope="session")
def save_transformers_clip(clip_tokenizer):
    """Writes a random CLIP of transformers into a folder; keywords change its image processor."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    tower = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}

    def save(folder, *, seed=0, activation="quick_gelu", **processing):
        torch.manual_seed(seed)
        config = CLIPConfig(
            text_config=tower | ends | {"max_position_embeddings": CONTEXT, "hidden_act": activation},
            vision_config=tower | {"image_size": SIDE, "patch_size": 16, "hidden_act": activation},
            projection_dim=EMBED_DIM,
        )
        settings = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}} | processing
        CLIPModel(config).save_pretrained(folder)
        clip_tokenizer.save_pretrained(folder)
        CLIPImageProcessor(**settings).save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def transformers_folder(save_transformers_clip, tmp_path_factory):
    return save_transformers_clip(tmp_path_factory.mktemp("transformers") / "clip")


@pytest.fixture(scope="session")
def sentence_transformers_folder(save_transformers_clip, tmp_path_factory):
    """A CLIP as sentence-transformers saves it today, of other weights than the transformers folder's."""
    from sentence_transformers import SentenceTransformer

    folder = tmp_path_factory.mktemp("sentence-transformers")
    SentenceTransformer(str(save_transformers_clip(folder / "base", seed=1)), device="cpu").save(
        str(folder / "clip"), create_model_card=False
    )
    return folder / "clip"


@pytest.fixture(scope="session")
def open_clip_model(tmp_path_factory):
    """Adds a small model to open_clip's registry under a name; returns the file of its random weights."""
    import open_clip

    folder = tmp_path_factory.mktemp("open-clip")

    def add(name, *, text=None, vision=None, **settings):
        context = {"context_length": CONTEXT, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1}
        towers = {
            "vision_cfg": vision or {"image_size": SIDE, "layers": 1, "width": 64, "patch_size": 16},
            "text_cfg": context | (text or {}),
        }
        (folder / f"{name}.json").write_text(json.dumps({"embed_dim": EMBED_DIM} | towers | settings))
        open_clip.add_model_config(folder / f"{name}.json")
        torch.manual_seed(0)
        torch.save(open_clip.create_model(name).state_dict(), folder / f"{name}.pt")
        return folder / f"{name}.pt"

    return add


@pytest.fixture(scope="session")
def open_clip_weights(open_clip_model):
    return open_clip_model("tiny")


@pytest.fixture(scope="session")
def siglip_weights(open_clip_model, tmp_path_factory):
    """A SigLIP of open_clip: another tokeniser, no causal mask, a timm tower and a bias."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", "photo", "of", "dog", "two", "cats", "red", "boat", *ascii_lowercase]
    tokenizer = Tokenizer(models.WordLevel({word: k for k, word in enumerate(words)}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    folder = tmp_path_factory.mktemp("siglip") / "tokenizer"
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="</s>", eos_token="</s>", unk_token="<unk>", model_max_length=CONTEXT
    ).save_pretrained(folder)
    tokenizing = {"hf_tokenizer_name": str(folder), "tokenizer_kwargs": {"clean": "canonicalize"}, "vocab_size": 64}
    text = tokenizing | {"no_causal_mask": True, "pool_type": "last", "proj_bias": True}
    vision = {"timm_model_name": "test_vit", "timm_pool": "avg", "timm_proj": "linear", "image_size": SIDE}
    return open_clip_model("tiny-SigLIP", text=text, vision=vision, custom_text=True, init_logit_bias=-10)


@pytest.fixture(scope="session")
def names(tiny_clip, transformers_folder, sentence_transformers_folder, open_clip_weights, siglip_weights):
    """For each family the name that loads its small model."""
    return {
        "clip": str(tiny_clip),
        "transformers": str(transformers_folder),
        "sentence-transformers": f"st:{sentence_transformers_folder}",
        "open_clip": f"open_clip:tiny/{open_clip_weights}",
        "siglip": f"open_clip:tiny-SigLIP/{siglip_weights}",
    }


@pytest.fixture
def offline(monkeypatch):
    """Hugging Face's own switch for work without a network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
