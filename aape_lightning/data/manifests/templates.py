"""The templates that name classes: one template, the manifest's own, or a named set."""

from aape_lightning.data.schema import ClassManifest
from aape_lightning.errors import PromptError, did_you_mean, listed
from aape_lightning.resources import template_set_names, template_set_path

__all__ = ["chosen_templates"]


def chosen_templates(manifest: ClassManifest, class_text: str) -> list[str]:
    """The templates that `class_text` means.

    Args:
        manifest: The dataset.
        class_text: A template with `{}`; `manifest` for the manifest's templates; or a set's name: one of the
            manifest's `template_sets`, or one of those that ship for all datasets (`imagenet-7`, `imagenet-80`).

    Raises:
        PromptError: If it is none of these.

    Example:
        >>> chosen_templates(load_manifest("food101"), "kgcoop")
        ['a photo of a {}, a type of food.']
    """
    if "{}" in class_text:
        return [class_text]
    if class_text == "manifest":
        return manifest.templates
    if class_text in manifest.template_sets:
        return manifest.template_sets[class_text]
    if class_text in template_set_names():
        return template_set_path(class_text).read_text(encoding="utf-8").splitlines()
    known = ["manifest", "prompts", *manifest.template_sets, *template_set_names()]
    raise PromptError(
        f"class_text is {class_text!r}; it must be a template with {{}} such as 'a photo of a {{}}.', or one of "
        f"{listed(known, limit=20)}.{did_you_mean(class_text, known)}"
    )
