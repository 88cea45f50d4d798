"""The traced forms of the projections are the projections."""

import pytest
import torch
from aape_lightning.export.heads import traceable
from aape_lightning.modules import build_projection
from torch.nn import functional as F

WIDTH = 48


def unit(rows, seed):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, WIDTH, generator=generator, dtype=torch.float64), dim=-1)


@pytest.mark.parametrize("name", ["bottleneck", "residual", "full", "none"])
@pytest.mark.parametrize(("images", "classes"), [(1, 1), (1, 7), (5, 1), (6, 130)])
def test_it_gives_what_the_projection_gives(name, images, classes):
    torch.manual_seed(3)
    projection = build_projection(name, WIDTH).double()
    for parameter in projection.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x, w, h = unit(images, 0), unit(classes, 1), unit(images, 2)
    torch.testing.assert_close(traceable(projection)(x, w, h), projection(x, w, h), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["bottleneck", "full"])
def test_what_has_no_direction_has_the_cosine_zero(name):
    projection = build_projection(name, WIDTH)
    for parameter in projection.parameters():
        torch.nn.init.zeros_(parameter)
    x, w, h = unit(2, 0).float(), unit(3, 1).float(), unit(2, 2).float()
    assert torch.equal(traceable(projection)(x, w, h), torch.zeros(2, 3))


def test_training_goes_on_without_changing_what_was_taken():
    projection = build_projection("residual", WIDTH)
    head = traceable(projection)
    x, w, h = unit(2, 0).float(), unit(3, 1).float(), unit(2, 2).float()
    before = head(x, w, h)
    with torch.no_grad():
        projection.outer.weight.add_(1)
    assert torch.equal(head(x, w, h), before)
