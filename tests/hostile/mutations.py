"""Whole files made into hostile ones: by their bytes, by their lines and words, and by the structure that they hold."""

import json
import re
import struct

NASTY = (
    None, True, -1, 0, 10**30, 10**12, 1e308, float("inf"), float("nan"), "", " ", "\0", "\ud800", "\u202e", "x" * 300,
    "../../x", "/x", "{}", "{:999999999d}", "**a", "[", "=1", "<script>", "\ufeff", "1e999", [], {}, [[]], [None],
    {"": 0}, "train", "a/b\\c", "\n", ".", "..", [[[[[[]]]]]], {"train": []}, 0.5, "\r",
)  # fmt: skip
WORDS = (
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r\n", b"\r", b'"', b"'", b"\\ud800", b"9" * 300, b"1e999", b"NaN",
    b"Infinity", b"-" * 50, b"[" * 60, b"{" * 60, b"&a [*a]", b"*a", b"<<: *a",
    b"!!python/name:os.system ",
    b"!!timestamp x", b"!!bool x", b"!!int x", b"!!binary x", b"2001-99-99", b"? ", b": ", b"|", b"\t",
    b",", b"#", b"{}", b"\xc3\x28", b"\xed\xa0\x80", b"null", b"~",
)  # fmt: skip
_LONG = (b"9" * 5000, b"x" * 3000, b"[" * 3000, b'{"a":' * 3000)
_LONGEST = b"x" * 200_000  # seldom: it takes as long as hundreds of others
_TOKEN = re.compile(rb'"[^"\n]*"|[\w.+-]+')


_ALIKE = {
    str: ("", " ", "dog", "Dog", "dog ", "\u202edog", "e\u0301", "\xe9", "\U0001f408", "<script>", "a/b", "a\\b", "1",
          "x" * 300),
    int: (0, 1, 2, -1, 7, 2**31, 2**63, 2**64, 10**30),
    float: (0.0, 1.0, -0.5, 1e-300, 1e308, 2.0),
    bool: (True, False),
}  # fmt: skip


def mutated(content, random):
    """A file like `content` with one to three faults; `random` is a `random.Random`."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        content = random.choice((_structure, _structure, _structure, _words, _lines, mutated_bytes))(content, random)
    return content


def _structure(content, random):
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return _words(content, random)
    return json.dumps(altered(tree, random)).encode()


def altered(tree, random):
    """A copy of plain values in which one, somewhere, is another."""
    if isinstance(tree, dict) and tree and random.random() < 0.85:
        key = random.choice(sorted(tree, key=str))
        rest = {name: value for name, value in tree.items() if name != key}
        match random.randrange(8):
            case 0:
                return rest
            case 7:  # a value where another of the same object belongs
                return {**tree, key: tree[random.choice(sorted(tree, key=str))]}
            case 1:
                return {str(random.choice(NASTY)): tree[key], **rest}
            case _:
                return {**tree, key: altered(tree[key], random)}
    if isinstance(tree, list) and tree and random.random() < 0.85:
        place = random.randrange(len(tree))
        match random.randrange(6):
            case 0:
                return tree[:place] + tree[place + 1 :]
            case 1:
                return [*tree, tree[place]]
            case _:
                return [*tree[:place], altered(tree[place], random), *tree[place + 1 :]]
    return random.choice(_ALIKE.get(type(tree), NASTY) if random.random() < 0.6 else NASTY)


def _word(random):
    chance = random.random()
    return _LONGEST if chance < 0.0005 else random.choice(_LONG) if chance < 0.05 else random.choice(WORDS)


def _words(content, random):
    """A word is replaced by a nasty one, or a nasty one stands before it."""
    found = list(_TOKEN.finditer(content[:100_000]))
    if not found:
        return _word(random) + content
    match, word = random.choice(found), _word(random)
    return content[: match.start()] + word + content[match.end() if random.random() < 0.7 else match.start() :]


def _lines(content, random):
    lines = content.splitlines(keepends=True) or [b""]
    place = random.randrange(len(lines))
    match random.randrange(4):
        case 0:
            del lines[place]
        case 1:
            lines.insert(place, lines[place])
        case 2:
            lines[place] = lines[place].rstrip(b"\n") + _word(random) + b"\n"
        case _:
            lines.insert(place, random.choice(lines))
    return b"".join(lines)


def mutated_bytes(content, random):
    place = random.randrange(len(content) + 1)
    match random.randrange(4):
        case 0:
            return content[:place]
        case 1:
            return content[:place] + random.randbytes(random.randrange(1, 9)) + content[place:]
        case 2:
            return content[:place] + content[place + random.randrange(1, 9) :]
        case _:
            return content[:place] + bytes([random.randrange(256)]) + content[place + 1 :]


def mutated_safetensors(content, random):
    """A safetensors file with a fault in its header or its bytes."""
    size = int.from_bytes(content[:8], "little")
    if size > len(content) or random.random() < 0.3:
        return mutated_bytes(content, random)
    header = mutated(content[8 : 8 + size], random)
    return struct.pack("<Q", len(header)) + header + content[8 + size :]
