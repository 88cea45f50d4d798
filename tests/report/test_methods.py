import pytest
from aape_lightning.errors import ResultError
from aape_lightning.report.methods import choose_reference, method_order


def test_order_ends_with_aape():
    ordered = ["zero-shot", "template-ensemble", "prompt-mean", "tip-adapter", "linear-probe", "clip-adapter"]
    ordered += ["tip-adapter-f", "coop", "coop-16", "cocoop", "kgcoop", "prograd", "maple", "promptsrc", "adapter"]
    ordered += ["aape-literal-no-distill", "aape-literal", "aape-joint", "aape-h-only", "aape-no-distill", "aape"]
    assert method_order([*reversed(ordered), "aape"]) == ordered


def test_reference_is_aape_or_none():
    assert choose_reference(["zero-shot", "aape"]) == "aape"
    assert choose_reference(["zero-shot", "coop"]) is None
    assert choose_reference(["zero-shot", "coop"], "coop") == "coop"


def test_unknown_reference_names_the_known_ones():
    with pytest.raises(ResultError, match=r"Did you mean 'aape'\?"):
        choose_reference(["zero-shot", "aape"], "aap")
