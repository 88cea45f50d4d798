"""ONNX and PyTorch agree to 1e-4 over 100 random inputs, of sizes that were not there at export."""

import random

import onnx
import onnxruntime
import pytest
import torch
from aape_lightning.export.check import largest_difference, open_program
from aape_lightning.export.programs import build_program
from aape_lightning.export.write import write_program
from torch.nn import functional as F

CLOSE = 1e-4


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Writes a program once; returns its file."""
    folder, files = tmp_path_factory.mktemp("programs"), {}

    def write(program, key, form="onnx"):
        if (key, form) not in files:
            files[key, form] = folder / f"{key}.{form}"
            write_program(program, files[key, form], form)
        return files[key, form]

    return write


def outputs_of(path, **inputs):
    """What onnxruntime makes of a file, without any code of ours."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return [torch.from_numpy(found) for found in session.run(None, {k: v.numpy() for k, v in inputs.items()})]


def unit(rows, width, generator):
    return F.normalize(torch.randn(rows, width, generator=generator), dim=-1)


def drawn_sizes(count, largest_batch=64, largest_classes=1000):
    """Batches and class counts of all magnitudes, both ends included."""
    draw = random.Random(0)
    ends = [(1, 2), (1, largest_classes), (largest_batch, 2), (largest_batch, largest_classes)]
    among = [(draw.randint(1, largest_batch), round(2 * (largest_classes / 2) ** draw.random())) for _ in range(count)]
    return (ends + among)[:count]


def test_the_classifier_agrees_over_100_random_inputs(saved, tiny_backbone, written):
    path = written(build_program("classifier", saved, tiny_backbone), "classifier")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    task, generator, sizes = saved.build(), torch.Generator().manual_seed(5), drawn_sizes(100)
    assert len({batch for batch, _ in sizes}) > 30
    for batch, classes in sizes:
        image = torch.randn(batch, 3, 32, 32, generator=generator)
        w = unit(classes, 32, generator)
        logits, probabilities = session.run(None, {"image": image.numpy(), "class_embeddings": w.numpy()})
        expected = task(tiny_backbone.encode_image(image), w)
        assert logits.shape == (batch, classes)
        torch.testing.assert_close(torch.from_numpy(logits), expected, rtol=0, atol=CLOSE)
        torch.testing.assert_close(torch.from_numpy(probabilities), expected.softmax(-1), rtol=0, atol=CLOSE)


@pytest.mark.parametrize("projection", ["bottleneck", "residual", "full", "none"])
def test_every_projection_agrees(projection, saved_of, tiny_backbone, written):
    own = saved_of(tiny_backbone, projection=projection)
    path, generator = written(build_program("head", own, None), projection), torch.Generator().manual_seed(1)
    for batch, classes in drawn_sizes(12):
        x, w = unit(batch, 32, generator), unit(classes, 32, generator)
        logits, _ = outputs_of(path, image_embedding=x, class_embeddings=w)
        torch.testing.assert_close(logits, own.build()(x, w), rtol=0, atol=CLOSE)


def test_a_resnet_with_attention_pooling_agrees(saved_of, shapes_backbone, written):
    program = build_program("classifier", saved_of(shapes_backbone), shapes_backbone)
    opened = open_program(written(program, "resnet"), "onnx")
    sizes = [{"batch": 1, "classes": 1}, {"batch": 9, "classes": 1000}, {"batch": 2, "classes": 77}]
    assert largest_difference(opened, program, sizes) < CLOSE


@pytest.mark.parametrize("what", ["aape", "image", "text"])
def test_towers_and_aape_agree(what, saved, tiny_backbone, written):
    path = written(build_program(what, saved, tiny_backbone), what)
    if what == "text":
        tokens = tiny_backbone.tokenize(["a photo of a dog.", "two", "a red car " * 6]).long()
        (found,), expected = outputs_of(path, tokens=tokens), tiny_backbone.encode_text(tokens)
    else:
        image = torch.randn(7, 3, 32, 32, generator=torch.Generator().manual_seed(2))
        (found,), x = outputs_of(path, image=image), tiny_backbone.encode_image(image)
        expected = saved.build().generator(x) if what == "aape" else x
    torch.testing.assert_close(found, expected, rtol=0, atol=CLOSE)
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(len(found)), rtol=0, atol=1e-5)


def test_the_query_of_a_retrieval_run_is_its_residual_form(saved_of, tiny_backbone, written):
    own = saved_of(tiny_backbone, "RetrievalTask", retrieve_with="residual")
    module = torch.export.load(
        written(build_program("query", own, tiny_backbone), "query", "torch").open("rb")
    ).module()
    image = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    expected = own.build()(tiny_backbone.encode_image(image))
    torch.testing.assert_close(module(image), expected, rtol=0, atol=CLOSE)


def test_the_file_is_sound_and_its_axes_have_names(saved, tiny_backbone, written):
    path = written(build_program("classifier", saved, tiny_backbone), "classifier")
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert {given.name: given.shape for given in session.get_inputs()} == {
        "image": ["batch", 3, 32, 32],
        "class_embeddings": ["classes", 32],
    }
    assert [(out.name, out.shape) for out in session.get_outputs()] == [
        ("logits", ["batch", "classes"]),
        ("probabilities", ["batch", "classes"]),
    ]


def test_a_file_holds_the_weights_that_it_reads_and_no_others(saved, tiny_backbone, written):
    program = build_program("image", saved, tiny_backbone)
    tower = sum(tensor.nbytes for tensor in tiny_backbone.model.visual.state_dict().values())
    for form in ("onnx", "torch"):
        assert tower < written(program, "image", form).stat().st_size < tower + 400_000  # the text tower has 12 MB


@pytest.mark.parametrize("projection", ["bottleneck", "residual", "full", "none"])
def test_a_torch_program_agrees_for_any_sizes(projection, saved_of, tiny_backbone, written):
    own = saved_of(tiny_backbone, projection=projection)
    path = written(build_program("head", own, None), projection, "torch")
    module, generator = torch.export.load(path.open("rb")).module(), torch.Generator().manual_seed(1)
    for batch, classes in [(1, 1), (1, 1000), (64, 2), (17, 333)]:
        x, w = unit(batch, 32, generator), unit(classes, 32, generator)
        torch.testing.assert_close(module(x, w)[0], own.build()(x, w), rtol=0, atol=CLOSE)


def test_a_wrong_file_is_found_out(saved, saved_of, tiny_backbone, written):
    program = build_program("head", saved, None)
    other = build_program("head", saved_of(tiny_backbone, projection="bottleneck"), None)
    assert largest_difference(open_program(written(other, "bottleneck"), "onnx"), program) > 1e-2
