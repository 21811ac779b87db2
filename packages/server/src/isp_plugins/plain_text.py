"""Text of plugins and customers, made fit to be read beside our own: it drives no terminal, and passes for no other line."""

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""All but line feed and tab, and what breaks lines or turns the direction of writing."""


def visible(text: str) -> str:
    """A text whose control characters are spelt out: it moves no cursor, and hides nothing of itself."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    """The same with line feeds spelt out, too: what follows one cannot be taken for a line of its own."""
    return visible(text).replace("\n", r"\n")


def inset(text: str) -> str:
    """Several lines, each of them set in, so that none can be taken for a line that begins at the margin."""
    return "\n".join(f"    {line}" for line in visible(text).split("\n"))
