import pytest
from aape_lightning.modules.width import bottleneck_width


@pytest.mark.parametrize(("d", "r"), [(8, 32), (512, 32), (528, 33), (768, 48), (1024, 64)])
def test_it_is_a_sixteenth_and_never_below_32(d, r):
    assert bottleneck_width(d) == r
