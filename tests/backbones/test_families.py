"""Each family against its own library, its names, and what goes wrong with its files."""

import json
import logging
import re
import shutil
import sys

import numpy as np
import open_clip
import pytest
import torch
from aape_lightning.backbones import load_backbone
from aape_lightning.backbones.load import _load
from aape_lightning.errors import BackboneNotFoundError
from open_clip.pretrained import _PRETRAINED
from PIL import Image
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from torch.nn import functional as F
from transformers import CLIPModel, CLIPProcessor

TEXTS = ["a photo of a dog", "Two CATS", "a red boat!"]
PREPROCESSING = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4), "interpolation": "bilinear", "resize_mode": "squash"}


@pytest.fixture(scope="module")
def pictures():
    noise = np.random.default_rng(0).integers(0, 256, (3, 40, 64, 3), dtype=np.uint8)
    return [Image.fromarray(pixels) for pixels in noise]


@pytest.fixture
def own_folder(transformers_folder, tmp_path):
    """A folder of a transformers CLIP that a test may damage."""
    return shutil.copytree(transformers_folder, tmp_path / "clip")


@pytest.fixture
def hub(transformers_folder, clip_tokenizer, tmp_path, monkeypatch):
    """Puts sentence-transformers' clip-ViT-B-32 into a cache of the Hub, in its repository's layout and formats."""

    def fill():
        repository = tmp_path / "models--sentence-transformers--clip-ViT-B-32"
        snapshot = repository / "snapshots" / ("0" * 40)
        folder = snapshot / "0_CLIPModel"
        folder.mkdir(parents=True)
        shutil.copy(transformers_folder / "config.json", folder)
        torch.save(load_file(transformers_folder / "model.safetensors"), folder / "pytorch_model.bin")
        processing = {"feature_extractor_type": "CLIPFeatureExtractor", "size": 32, "crop_size": 32, "resample": 3}
        (folder / "preprocessor_config.json").write_text(json.dumps(processing))
        merges = json.loads((transformers_folder / "tokenizer.json").read_text())["model"]["merges"]
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *map(" ".join, merges), ""]))
        (folder / "vocab.json").write_text(json.dumps(clip_tokenizer.get_vocab()))
        (folder / "tokenizer_config.json").write_text('{"model_max_length": 24, "do_lower_case": true}')
        module = {"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}
        (snapshot / "modules.json").write_text(json.dumps([module]))
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text("0" * 40)

    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    return fill


def embed(backbone, pictures):
    images = torch.stack([backbone.transform(picture) for picture in pictures])
    return backbone.encode_image(images), backbone.encode_text(backbone.tokenize(TEXTS))


def expect(name, message):
    _load.cache_clear()
    with pytest.raises(BackboneNotFoundError, match=message) as raised:
        load_backbone(name)
    assert name in str(raised.value)


def test_transformers_computes_the_same(transformers_folder, pictures):
    model, processor = (
        CLIPModel.from_pretrained(transformers_folder),
        CLIPProcessor.from_pretrained(transformers_folder),
    )
    with torch.no_grad():
        images = model.get_image_features(**processor(images=pictures, return_tensors="pt")).pooler_output
        texts = model.get_text_features(**processor(text=TEXTS, padding=True, return_tensors="pt")).pooler_output
    expected = F.normalize(images, dim=-1), F.normalize(texts, dim=-1)
    torch.testing.assert_close(embed(load_backbone(str(transformers_folder)), pictures), expected)


def test_sentence_transformers_computes_the_same(sentence_transformers_folder, pictures):
    model = SentenceTransformer(str(sentence_transformers_folder), device="cpu")
    expected = tuple(model.encode(x, convert_to_tensor=True, normalize_embeddings=True) for x in (pictures, TEXTS))
    torch.testing.assert_close(embed(load_backbone(f"st:{sentence_transformers_folder}"), pictures), expected)


@pytest.mark.parametrize("family", ["open_clip", "siglip"])
def test_open_clip_computes_the_same(family, names, pictures):
    model_name, _, file = names[family].removeprefix("open_clip:").partition("/")
    model, _, transform = open_clip.create_model_and_transforms(model_name, file)
    images, tokens = (
        torch.stack([transform(picture) for picture in pictures]),
        open_clip.get_tokenizer(model_name)(TEXTS),
    )
    with torch.no_grad():
        expected = (
            model.eval().encode_image(images, normalize=True),
            model.encode_text(tokens, normalize=True),
        )
        logits = model.get_logits(images, tokens)[0]
    backbone = load_backbone(names[family])
    embedded = embed(backbone, pictures)
    torch.testing.assert_close(embedded, expected)
    torch.testing.assert_close((backbone.logit_scale * embedded[0] @ embedded[1].T).softmax(1), logits.softmax(1))


class TestTransformers:
    def test_one_fingerprint_in_every_folder_and_under_both_names(self, own_folder, transformers_folder, hub):
        hub()
        fingerprint = load_backbone(str(transformers_folder)).fingerprint
        assert load_backbone(str(own_folder)).fingerprint == fingerprint
        assert load_backbone("st:clip-ViT-B-32").fingerprint == fingerprint

    def test_half_precision_files_become_float32(self, own_folder, tmp_path):
        CLIPModel.from_pretrained(own_folder).half().save_pretrained(own_folder)
        assert {p.dtype for p in load_backbone(str(own_folder)).parameters()} == {torch.float32}

    def test_the_fingerprint_sees_weights_activation_preprocessing_and_tokenizer(
        self, save_transformers_clip, tmp_path
    ):
        changes = [{}, {"seed": 1}, {"activation": "gelu"}, {"image_mean": [0.5, 0.5, 0.5]}, {"resample": 2}]
        folders = [save_transformers_clip(tmp_path / str(k), **change) for k, change in enumerate(changes)]
        folders.append(shutil.copytree(folders[0], tmp_path / "cased"))
        tokenizer = json.loads((folders[-1] / "tokenizer.json").read_text())
        tokenizer["model"]["merges"] = tokenizer["model"]["merges"][:1000]
        (folders[-1] / "tokenizer.json").write_text(json.dumps(tokenizer))
        assert len({load_backbone(str(folder)).fingerprint for folder in folders}) == len(folders)

    def test_mean_and_deviation_are_the_files(self, save_transformers_clip, tmp_path):
        settings = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
        backbone = load_backbone(str(save_transformers_clip(tmp_path / "clip", **settings)))
        assert (backbone.image_mean, backbone.image_std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))

    @pytest.mark.parametrize(
        ("file", "message"),
        [
            ("config.json", "config.json of .* cannot be read"),
            ("model.safetensors", "weights of .* cannot be read"),
            ("tokenizer.json", "tokenizer of .* has [0-9]+ tokens and its text tower 49408.*tokenizer.json"),
            ("preprocessor_config.json", "image preprocessor of .* cannot be read.*preprocessor_config.json"),
        ],
    )
    def test_a_missing_file_is_named(self, file, message, own_folder):
        (own_folder / file).unlink()
        expect(str(own_folder), message)

    @pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"])
    def test_a_truncated_file_is_an_error(self, file, own_folder):
        whole = (own_folder / file).read_bytes()
        (own_folder / file).write_bytes(whole[: len(whole) // 2])
        expect(str(own_folder), "cannot be read")

    def test_missing_weights_are_never_made_up(self, own_folder):
        weights = load_file(own_folder / "model.safetensors")
        del weights["visual_projection.weight"]
        save_file(weights, own_folder / "model.safetensors", {"format": "pt"})
        expect(str(own_folder), "weights of .* lack 'visual_projection.weight'")

    def test_a_model_of_another_type_is_refused(self, own_folder):
        (own_folder / "config.json").write_text('{"model_type": "bert"}')
        expect(str(own_folder), "model of type 'bert', not a CLIP")

    @pytest.mark.parametrize(
        "processing", [{"crop_size": {"height": 48, "width": 48}}, {"do_center_crop": False}, {"do_rescale": False}]
    )
    def test_preprocessing_for_another_tower_is_refused(self, processing, save_transformers_clip, tmp_path):
        expect(str(save_transformers_clip(tmp_path / "clip", **processing)), "its image tower takes .3, 32, 32.")


_CLIP = '[{"path": %s, "type": "sentence_transformers.models.CLIPModel"}]'
NO_LISTS = [
    None, "", "[]", "{}", "5", "[5]", '[{"path": ""}]', '[{"path": "", "type": 5}]', "[" * 100_000,
    *(_CLIP % path for path in ("5", "null", '"/etc"', '"../other"', '"a/../../other"', r'"..\\other"')),
]  # fmt: skip


class TestSentenceTransformers:
    def test_a_name_is_found_in_the_cache_without_a_network(self, hub, transformers_folder, pictures, monkeypatch):
        hub()
        monkeypatch.delattr("huggingface_hub.file_download.get_hf_file_metadata")  # with which it asks the Hub
        backbone = load_backbone("st:clip-ViT-B-32")
        assert backbone.name == "st:clip-ViT-B-32"
        torch.testing.assert_close(embed(backbone, pictures), embed(load_backbone(str(transformers_folder)), pictures))

    @pytest.mark.parametrize("name", ["st:clip-ViT-B-32", "st:someone/clip", "st:no/such/folder", "st:"])
    def test_what_is_neither_cached_nor_to_be_downloaded_is_an_error(self, name, hub, offline):
        expect(name, "modules.json of backbone .* cannot be read.*st:clip-ViT-L-14.*hf download")

    @pytest.mark.parametrize("kinds", [("Transformer", "Pooling", "Normalize"), ("StaticEmbedding",)])
    def test_a_text_model_is_refused(self, kinds, tmp_path):
        modules = [
            {"path": f"{k}_{kind}", "type": f"sentence_transformers.models.{kind}"} for k, kind in enumerate(kinds)
        ]
        (tmp_path / "modules.json").write_text(json.dumps(modules))
        expect(f"st:{tmp_path}", f"not a CLIP but a model of the modules {', '.join(kinds)}")

    @pytest.mark.parametrize("content", NO_LISTS)
    def test_a_folder_without_a_list_of_modules_is_an_error(self, content, tmp_path):
        if content is not None:
            (tmp_path / "modules.json").write_text(content)
        expect(f"st:{tmp_path}", "modules.json of backbone .* cannot be read")


class TestOpenClip:
    @pytest.fixture
    def tag(self, monkeypatch):
        """Gives the tiny model tags of open_clip's table; keywords as its entries."""

        def add(name, file, **entry):
            entry = {"file": str(file), "hf_hub": "", "url": ""} | PREPROCESSING | entry
            monkeypatch.setitem(_PRETRAINED, "tiny", _PRETRAINED.get("tiny", {}) | {name: entry})
            return f"open_clip:tiny/{name}"

        _load.cache_clear()
        yield add
        _load.cache_clear()

    def test_openai_weights_get_quickgelu(self, tag, tiny_clip, pictures, recwarn):
        clip = load_backbone(str(tiny_clip))
        same = {"mean": clip.image_mean, "std": clip.image_std, "interpolation": "bicubic", "resize_mode": "shortest"}
        backbone = load_backbone(tag("openai", tiny_clip, quick_gelu=True, **same))
        assert not [warning for warning in recwarn if "QuickGELU" in str(warning.message)]
        torch.testing.assert_close(embed(backbone, pictures), embed(clip, pictures))

    def test_other_weights_keep_gelu(self, tag, tiny_clip, pictures):
        clip, plain = load_backbone(str(tiny_clip)), load_backbone(tag("laion", tiny_clip))
        forced = load_backbone(tag("openai", tiny_clip, quick_gelu=True))
        assert (embed(plain, pictures)[1] - embed(clip, pictures)[1]).norm(dim=-1).max() > 1e-4
        assert plain.fingerprint != forced.fingerprint

    def test_every_openai_tag_of_the_table_says_quickgelu(self):
        models = open_clip.list_pretrained_models_by_tag("openai")
        assert len(models) >= 9
        assert all(open_clip.get_pretrained_cfg(model, "openai")["quick_gelu"] for model in models)

    def test_a_tag_brings_its_preprocessing(self, tag, open_clip_weights):
        backbone = load_backbone(tag("laion", open_clip_weights))
        assert (backbone.image_mean, backbone.image_std) == (PREPROCESSING["mean"], PREPROCESSING["std"])
        # Squashed, not cropped: the left edge of a wide image stays in sight.
        edge = Image.new("RGB", (320, 32))
        edge.paste((255, 255, 255), (0, 0, 40, 32))
        assert backbone.transform(edge)[0, 16, 0] > backbone.transform(edge)[0, 16, 31] + 1

    def test_a_file_gets_the_preprocessing_that_the_models_tags_agree_on(self, tag, open_clip_weights):
        tagged = load_backbone(tag("laion", open_clip_weights))
        assert load_backbone(f"open_clip:tiny/{open_clip_weights}").fingerprint == tagged.fingerprint
        tag("other", open_clip_weights, mean=(0.0, 0.0, 0.0))
        _load.cache_clear()
        assert load_backbone(f"open_clip:tiny/{open_clip_weights}").image_mean == pytest.approx(
            (0.4815, 0.4578, 0.4082), abs=1e-4
        )

    def test_the_root_logger_is_left_alone(self, names, monkeypatch):
        monkeypatch.setattr("logging.root.handlers", [])
        _load.cache_clear()
        load_backbone(names["open_clip"])
        assert logging.root.handlers == []

    def test_an_unknown_model_or_tag_names_the_closest(self):
        expect("open_clip:ViT-B16/openai", r"no model 'ViT-B16'.*open_clip:MODEL/WEIGHTS.*Did you mean 'ViT-B-16'\?")
        expect("open_clip:ViT-B-16/laion2b_s34b", r"no weights 'laion2b_s34b'.*Did you mean 'laion2b_s34b_b88k'\?")
        expect("open_clip:ViT-B-16", "no weights ''.*'openai'")
        expect("open_clip:", "no model ''")
        expect("open_clip:tiny/no/such.pt", "no weights 'no/such.pt'.*there are none")

    def test_weights_that_cannot_be_downloaded_say_where_they_come_from(self, offline, monkeypatch, tmp_path):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        expect(
            "open_clip:ViT-B-16/laion2b_s34b_b88k",
            "cannot be read.*from 'laion/CLIP-ViT-B-16-laion2B-s34B-b88K/'.*open_clip:ViT-B-16/PATH",
        )

    def test_a_file_of_another_kind_is_an_error(self, tmp_path, tiny_clip, names):
        (tmp_path / "weights.pt").write_text("<html>not found</html>")
        expect(f"open_clip:tiny/{tmp_path / 'weights.pt'}", "weights of .* cannot be read.*OpenAI's format")
        expect(f"open_clip:tiny-SigLIP/{tiny_clip}", "weights of .* cannot be read.*model 'tiny-SigLIP'")

    def test_a_pickle_that_runs_code_is_refused(self, tmp_path):
        class Trap:
            def __reduce__(self):
                return open, (str(tmp_path / "trapped"), "w")

        torch.save({"visual.proj": Trap()}, tmp_path / "weights.pt")
        expect(f"open_clip:tiny/{tmp_path / 'weights.pt'}", "cannot be read")
        assert not (tmp_path / "trapped").exists()

    def test_a_tokenizer_that_cannot_be_downloaded_is_named(self, open_clip_model, offline):
        weights = open_clip_model("tiny-remote", text={"hf_tokenizer_name": "timm/ViT-B-16-SigLIP"})
        expect(f"open_clip:tiny-remote/{weights}", "tokenizer of .* cannot be read.*'timm/ViT-B-16-SigLIP'.*HF_HOME")

    def test_without_the_library_the_extra_is_named(self, names, monkeypatch):
        monkeypatch.setitem(sys.modules, "open_clip", None)
        expect(names["open_clip"], re.escape("pip install 'aape-lightning[open-clip]'"))


def test_an_unknown_name_lists_every_form(tmp_path):
    expect("openclip:ViT-B-16/openai", r"ViT-B/16.*folder of a transformers CLIP.*st:NAME.*open_clip:MODEL/WEIGHTS")


def test_loading_and_counting_are_silent(names, capfd, recwarn, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    _load.cache_clear()
    for name in names.values():
        backbone = load_backbone(name)
        assert backbone.token_count("dog " * 100) > 100
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
    assert not caplog.records
