"""Draws the documentation's diagrams in both themes: `python docs/figures/schemes.py`."""

from pathlib import Path

from drawing import Drawing

HERE = Path(__file__).parent


def flow(theme: str) -> Drawing:
    """One training step: what lies on disk, what is computed a batch, what is trained, what is left at test time."""
    drawing = Drawing(
        980, 410, theme,
        "Images, sentences and class names go through frozen towers; the aggregator condenses the sentences into a "
        "summary, to which the generator h is distilled; h(x) changes the class embeddings in the head.",
    )  # fmt: skip
    drawing.box(14, 34, 846, 150, "", kind="line", dashed=True)
    drawing.words(26, 50, "in training only", size=12.5, anchor="start")
    drawing.box(30, 84, 130, 56, "sentences\nof an LLM or people")
    drawing.box(206, 84, 120, 56, "text tower\nfrozen", kind="frozen")
    drawing.box(450, 84, 140, 56, "aggregator\nattention", kind="trained")
    drawing.box(690, 84, 150, 56, "distillation\n‖h(x) − pᵃ‖²", kind="loss")
    drawing.arrow((160, 112), (206, 112))
    drawing.arrow((326, 112), (450, 112), label="P: many a class")
    drawing.arrow((590, 112), (690, 112), label="summary pᵃ")

    drawing.box(30, 216, 130, 56, "image")
    drawing.box(206, 216, 120, 56, "image tower\nfrozen", kind="frozen")
    drawing.box(450, 216, 140, 56, "generator h\n33k parameters", kind="trained")
    drawing.box(690, 216, 150, 56, "head\ng([w_c ; h(x)])", kind="trained")
    drawing.arrow((160, 244), (206, 244))
    drawing.arrow((326, 244), (450, 244))
    drawing.words(346, 232, "x", size=13)
    drawing.arrow((390, 244), (390, 160), (520, 160), (520, 141))
    drawing.words(398, 200, "asks which sentences fit", size=12, anchor="start")
    drawing.arrow((590, 244), (690, 244), label="h(x)")
    drawing.arrow((668, 244), (668, 170), (765, 170), (765, 141))
    drawing.arrow((840, 244), (880, 244))
    drawing.box(880, 216, 86, 56, "classes\nof x")

    drawing.box(30, 340, 130, 56, "class names\nany list")
    drawing.box(206, 340, 120, 56, "text tower\nfrozen, once", kind="frozen")
    drawing.arrow((160, 368), (206, 368))
    drawing.arrow((326, 368), (765, 368), (765, 273), label="w_c: one a class")
    drawing.arrow((366, 244), (366, 312), (725, 312), (725, 273))
    drawing.words(470, 302, "x is compared with every w_c(x)", size=12, anchor="start")
    return drawing


def factorised(theme: str) -> Drawing:
    """The plain head and the factorised one: what is computed for every pair of an image and a class."""
    drawing = Drawing(
        840, 330, theme,
        "The plain head makes a vector of d numbers for every pair of image and class; the factorised head needs r "
        "numbers a pair, because the first layer splits into a part of the class and a part of the image.",
    )  # fmt: skip
    drawing.words(20, 22, "plain: d = 512 numbers for every (image, class)", size=15, anchor="start", weight=600)
    drawing.box(20, 44, 150, 80, "[w_c ; h(x)]\nb · c pairs\nof 2d numbers")
    drawing.box(230, 44, 150, 80, "g\n2d → r → d\nb · c times", kind="trained")
    drawing.box(440, 44, 170, 80, "w_c(x)\nb · c vectors\nof d numbers", kind="loss")
    drawing.box(670, 44, 150, 80, "cos(x, w_c(x))\nd products a pair")
    for left, right in ((170, 230), (380, 440), (610, 670)):
        drawing.arrow((left, 84), (right, 84))
    drawing.words(20, 168, "factorised: r = 32 numbers for every (image, class)", size=15, anchor="start", weight=600)
    drawing.box(20, 188, 150, 54, "A w_c\nonce a class list", kind="trained")
    drawing.box(20, 262, 150, 54, "B h(x) + a\nonce an image", kind="trained")
    drawing.box(230, 214, 150, 76, "z = relu(sum)\nb · c pairs\nof r numbers", kind="frozen")
    drawing.box(440, 188, 170, 54, "(Vᵀx) · z\nr products a pair")
    drawing.box(440, 262, 170, 54, "zᵀ(VᵀV) z\nthe norm, r × r")
    drawing.box(670, 214, 150, 76, "cos(x, w_c(x))\nthe same function\nto rounding")
    drawing.arrow((170, 215), (200, 215), (200, 240), (230, 240))
    drawing.arrow((170, 289), (200, 289), (200, 264), (230, 264))
    drawing.arrow((380, 240), (410, 240), (410, 215), (440, 215))
    drawing.arrow((380, 264), (410, 264), (410, 289), (440, 289))
    drawing.arrow((610, 215), (640, 215), (640, 240), (670, 240))
    drawing.arrow((610, 289), (640, 289), (640, 264), (670, 264))
    return drawing


def main() -> None:
    """Write every diagram."""
    for theme in ("light", "dark"):
        flow(theme).write(HERE, "flow")
        factorised(theme).write(HERE, "factorised")


if __name__ == "__main__":
    main()
