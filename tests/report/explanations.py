"""Explanations as a run would leave them, without running one."""

from aape_lightning.protocols.explanations import (
    Choice,
    Cosines,
    ExplainedClass,
    ExplainedClasses,
    ExplainedImage,
    Explanations,
    Sentence,
    write_explanations,
)


def image(label="solid red arrow", said=None, *, path="flat/test/solid_red_arrow/0000.png", kind="faithful"):
    """An image of the shapes world that is taken for a class."""
    names = [said or label, "another", *([label] if said else ["a third"])]
    return ExplainedImage(
        image=path,
        label=label,
        choices=[Choice(name=name, probability=p) for name, p in zip(names, (0.6, 0.25, 0.15), strict=True)],
        attended=[
            Sentence(text=f"A sentence about {label}.", share=0.5, kind=kind),
            Sentence(text="An arrow in red.", share=0.2, kind=kind and "wrong"),
        ],
        others=6,
        others_share=0.3,
    )


def of_class(name, *, kind="faithful"):
    """A class of eight sentences."""
    return ExplainedClass(
        name=name,
        images=25,
        sentences=8,
        half=2,
        most=[Sentence(text=f"{name} is seen.", share=0.4, kind=kind)],
        least=[Sentence(text=f"{name} is sold.", share=0.01, kind=kind)],
        cosines=Cosines(image_mean=0.3, image_aape=0.7, mean_aape=0.4, summary_aape=0.9),
    )


def explanations(classes=("base", "new"), *, manifest="shapes", root=None, kind="faithful", **changes):
    """A right and a wrong image and two classes of each subset; `changes` are of the right image."""
    parts = [
        ExplainedClasses(
            classes=subset,
            images=[image(kind=kind, **changes), image(said="solid red heart", kind=kind)],
            by_class=[of_class(f"{subset} one", kind=kind), of_class(f"{subset} two", kind=kind)],
        )
        for subset in classes
    ]
    return Explanations(manifest=manifest, root=root, parts=parts)


def leave(folder, found=None):
    """Leave explanations beside a result."""
    return write_explanations(folder, found or explanations())
