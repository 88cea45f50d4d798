"""The hand-crafted prompts that learned ones are kept close to."""

from aape_lightning.data.manifests.templates import chosen_templates
from aape_lightning.data.schema import ClassManifest

__all__ = ["hand_crafted_templates"]

_SET = "kgcoop"


def hand_crafted_templates(manifest: ClassManifest) -> list[str]:
    """A dataset's templates in KgCoOp's wording (its set `kgcoop`); the manifest's own where it has no such set.

    Example:
        >>> hand_crafted_templates(load_manifest("ucf101"))
        ['a photo of a person doing {}.']
    """
    return chosen_templates(manifest, _SET if _SET in manifest.template_sets else "manifest")
