r"""Cuts a condition into tokens.

1. Spaces, tabs and line ends separate; `//` comments to the end of the line.
2. Numbers: `12`, `0x1f`, `1.5`, `.5`, `2e3`; unsigned (`1u`) and bytes (`b"..."`) are refused, JSON has neither.
3. Strings: single or triple quotes of either kind, raw with `r`; escapes are CEL's own (`\n`, `\x41`, `\u00e9`, `\101`).
"""

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from isp_plugins.hooks.condition.problems import Problem


class Kind(StrEnum):
    """What a token is."""

    INT = "a whole number"
    DOUBLE = "a number"
    STRING = "a string"
    WORD = "a name"
    MARK = "an operator"
    END = "the end"


@dataclass(frozen=True, slots=True)
class Token:
    """One token; `value` is what it means, `text` how it is shown in an error."""

    kind: Kind
    at: int
    text: str
    value: Any = None


_BLANK = re.compile(r"(?:[ \t\r\n\f]+|//[^\n]*)+")
_NUMBER = re.compile(
    r"0[xX](?P<hex>[0-9a-fA-F]+)|(?P<double>[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)|(?P<int>[0-9]+)"
)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MARK = re.compile(r"&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}]")
_STRING = re.compile(r"(?P<prefix>[rRbB]{0,2})(?P<quote>\"\"\"|'''|\"|')")
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|X([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.?))",
    re.DOTALL,
)
_SIMPLE = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "`": "`",
    "?": "?",
}


def tokens_of(source: str) -> list[Token]:
    """All tokens, the last one of kind END; a `Problem` where the text is not CEL."""
    tokens: list[Token] = []
    at = 0
    while True:
        blank = _BLANK.match(source, at)
        at = blank.end() if blank else at
        if at >= len(source):
            return [*tokens, Token(Kind.END, len(source), "the end of the condition")]
        token, at = _next(source, at)
        tokens.append(token)


def _next(source: str, at: int) -> tuple[Token, int]:
    """The token that begins at `at`, and where it ends."""
    if opening := _STRING.match(source, at):
        return _string(source, at, opening)
    if number := _NUMBER.match(source, at):
        return _number(source, at, number)
    if word := _WORD.match(source, at):
        return Token(Kind.WORD, at, word.group()), word.end()
    if mark := _MARK.match(source, at):
        return Token(Kind.MARK, at, mark.group()), mark.end()
    hints = {"&": "&&", "|": "||", "=": "=="}
    hint = f", did you mean {hints[source[at]]}?" if source[at] in hints else ""
    raise Problem(at, f"the character {source[at]!r} means nothing here{hint}")


def _number(source: str, at: int, found: re.Match[str]) -> tuple[Token, int]:
    """An int or a double; a letter glued to it is refused."""
    end = found.end()
    if source[end : end + 1] in {"u", "U"}:
        raise Problem(at, f"unsigned numbers are not supported: write {found.group()} without the u")
    if source[end : end + 1].isalnum() or source[end : end + 1] == "_":
        raise Problem(end, f"expected an operator after the number {found.group()}, got {source[end]!r}")
    if found["double"] is not None:
        double = float(found["double"])
        if math.isinf(double):
            raise Problem(at, f"the number {found.group()} is larger than a double holds")
        return Token(Kind.DOUBLE, at, found.group(), double), end
    value = int(found["hex"], 16) if found["hex"] is not None else int(found["int"])
    return Token(Kind.INT, at, found.group(), value), end


def _string(source: str, at: int, opening: re.Match[str]) -> tuple[Token, int]:
    """A string's value, its escapes resolved unless it is raw."""
    prefix, quote = opening["prefix"].lower(), opening["quote"]
    if "b" in prefix:
        raise Problem(at, "bytes are not supported: JSON has only strings")
    if prefix == "rr":
        raise Problem(at, "expected one r before a raw string, got two")
    begin, raw = opening.end(), prefix == "r"
    end = _end_of_string(source, at, begin, quote, raw=raw)
    inner = source[begin:end]
    value = inner if raw else _ESCAPE.sub(lambda escape: _unescape(escape, begin), inner)
    return Token(Kind.STRING, at, source[at : end + len(quote)], value), end + len(quote)


def _end_of_string(source: str, at: int, begin: int, quote: str, *, raw: bool) -> int:
    """Where the closing quote begins."""
    end = begin
    while end < len(source):
        if source.startswith(quote, end):
            return end
        if source[end] == "\\" and not raw:
            end += 1
        elif source[end] in "\r\n" and len(quote) == 1:
            raise Problem(
                end,
                f"the string that begins with {quote} ends with its line: use three quotes for several lines",
            )
        end += 1
    raise Problem(at, f"the string has no closing {quote}")


def _unescape(escape: re.Match[str], offset: int) -> str:
    """What one escape stands for."""
    *numbers, other = escape.groups()
    if other is not None:
        if other not in _SIMPLE:
            raise Problem(
                offset + escape.start(),
                f"{escape.group()} is no escape: write \\\\ for a backslash, or a raw string r'...'",
            )
        return _SIMPLE[other]
    digits = next(group for group in numbers if group is not None)
    code = int(digits, 8 if numbers[4] is not None else 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise Problem(offset + escape.start(), f"{escape.group()} is not a Unicode character")
    return chr(code)
