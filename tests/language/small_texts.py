"""The language of the small models of these tests."""

TEXTS = [
    f"{size} {colour} {shape}!"
    for size in ("a big", "a small")
    for colour in ("red", "blue")
    for shape in ("cat", "dog")
]
