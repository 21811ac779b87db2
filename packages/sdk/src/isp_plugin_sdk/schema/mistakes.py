"""One mistake in a schema or in a value: where it is (as in `smtp.hosts.0.port`), what was expected, what came."""

import difflib
import json
from collections.abc import Iterable
from typing import Any, TypedDict

_SHOWN = 60
MOST = 100
"""How many mistakes are told at most; a document with more needs another look anyway, and telling all could take for ever."""


class Mistake(TypedDict):
    """One mistake; `path` is empty for the whole; `message` says it in a sentence."""

    path: str
    message: str
    expected: str
    got: str


def mistake(path: str, expected: str, got: str, hint: str = "") -> Mistake:
    """A mistake with its message built from its parts."""
    message = f"expected {expected}, got {got}" + (f"; {hint}" if hint else "")
    return {"path": path, "message": message, "expected": expected, "got": got}


def shown(value: Any) -> str:
    """A value as JSON, cut to a length that suits a message."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def did_you_mean(word: object, known: Iterable[str], others_say: dict[str, str]) -> str:
    """The hint for an unknown word: what other systems' word is called here, or the closest known one."""
    text = str(word)[:_SHOWN]
    close = others_say.get(text.lower()) or next(
        iter(difflib.get_close_matches(text, list(known), n=1)), None
    )
    return f"did you mean {close!r}?" if close else ""
