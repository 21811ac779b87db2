"""Replaces known secret values in text by the mask, so that they never reach a log.

1. A value is found as it is, as JSON and Python write it inside text, URL-encoded, and line by line where it has several lines.
2. Values of fewer than 4 characters are not masked: they occur in ordinary text, and masking them would say where.
3. Overlapping occurrences are masked together; the longest one counts.
"""

import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = "********"
SHORTEST = 4
"""Shortest value that is masked, in characters."""
SHORTEST_LINE = 8
"""Shortest line of a value of several lines that is masked by itself, in characters."""


class Masker:
    """Masks the secrets of one plugin; immutable, so that threads share it."""

    def __init__(self, values: Iterable[str]) -> None:
        found = {form for value in values for form in forms_of(value)}
        # Longest first: what holds a shorter one is found before it. A part of the mask itself hides nothing.
        self._forms = sorted(
            (form for form in found if form not in MASK), key=lambda form: (-len(form), form)
        )
        self.longest = len(self._forms[0]) if self._forms else 0
        """The longest form, in characters: how much of a cut text may be the beginning of a secret."""

    def __bool__(self) -> bool:
        return bool(self._forms)

    def __call__(self, text: str) -> str:
        """The text with every known secret masked."""
        if not self._forms:
            return text
        present = [form for form in self._forms if form in text]
        return _replaced(text, _merged(_spans(text, present))) if present else text


NO_MASKS = Masker(())


def forms_of(value: str) -> Iterator[str]:
    """Every way in which a secret value may be written in a text."""
    if len(value.strip()) < SHORTEST:
        return
    for whole in dict.fromkeys((value, value.strip())):
        yield whole
        yield json.dumps(whole)[1:-1]
        yield json.dumps(whole, ensure_ascii=False)[1:-1]
        yield repr(whole)[1:-1]
        yield from _quoted(whole)
    yield from (line for line in (part.strip() for part in value.splitlines()) if len(line) >= SHORTEST_LINE)


def _quoted(value: str) -> Iterator[str]:
    """URL-encoded forms; a lone surrogate has none."""
    try:
        quoted = (quote(value, safe=""), quote(value), quote_plus(value))
    except UnicodeEncodeError:
        return
    for form in quoted:
        yield form
        yield _lower_escapes(form)


def _lower_escapes(quoted: str) -> str:
    """`%2F` as `%2f`, which some libraries write."""
    head, *parts = quoted.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in parts)])


def _spans(text: str, forms: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Where the forms stand, overlapping ones too."""
    for form in forms:
        start = text.find(form)
        while start >= 0:
            yield start, start + len(form)
            start = text.find(form, start + 1)


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _replaced(text: str, spans: Iterable[tuple[int, int]]) -> str:
    parts, at = [], 0
    for start, end in spans:
        parts += [text[at:start], MASK]
        at = end
    return "".join([*parts, text[at:]])
