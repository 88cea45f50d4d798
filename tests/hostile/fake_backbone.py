"""What stands for a backbone where a file is read that is bound to one, and nothing is computed."""

from types import SimpleNamespace

from aape_lightning.backbones import Backbone

WIDTH = 4
_NAMES = {name for name in (*dir(Backbone), *Backbone.__annotations__) if not name.startswith("_")}
BACKBONE = SimpleNamespace(
    **dict.fromkeys(_NAMES, len) | {"fingerprint": "f" * 64, "name": "fake", "embed_dim": WIDTH, "input_size": 8}
)
