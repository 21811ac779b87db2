"""Turns what a plugin raised into text: one readable line, and the frames of the plugin's own code.

1. The text is made at once and the exception dropped: its frames would keep the plugin's classes and values alive.
2. Names of a load's private root (in process; a worker has none) are shown as the author knows them, without the root.
3. Frames of the host, of the import machinery and of libraries are left out.
4. No half of a secret is left at a cut: a summary is masked before it is cut (`shortened`), which a host does, who knows the secrets; a
   worker hands over more than will be kept. A traceback is cut between lines.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imported where it is needed: it costs a worker's start
    import traceback

MAX_SUMMARY = 500
"""Longest headline of a summary, in characters; the place in the plugin's code comes after it."""
MAX_RAW_SUMMARY = 16 * MAX_SUMMARY
"""How much of a headline is handed to who masks it, and then cuts."""
_PLACE = re.compile(r" \([^()\n]{1,300}:\d+\)(; [^\n]{1,200})?$")
"""The place at the end of a summary, and a hint after it."""
MAX_TRACEBACK = 20_000
"""Longest traceback text, in characters; of a longer one the end is kept, where the cause stands, in whole lines."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something failed, as text."""

    summary: str
    traceback: str = ""


def describe(error: BaseException, *, root: str, folders: Sequence[str]) -> Cause:
    """What an exception says, with the place in the plugin's code nearest to it."""
    import traceback

    told = traceback.TracebackException.from_exception(error)
    frames = _keep_own(told, folders)
    location = _location(error, frames, folders)
    summary = _cut(_headline(error, told), MAX_RAW_SUMMARY) + (f" ({location})" if location else "")
    text = "".join(told.format()) if frames or isinstance(error, SyntaxError) else ""
    return Cause(without_root(summary, root), without_root(end_of(text), root))


def shortened(summary: str, mask: Callable[[str], str]) -> str:
    """A summary as it is shown: masked, then cut; the place in the plugin's code stays."""
    if len(summary) <= MAX_SUMMARY:
        return mask(summary)
    place = _PLACE.search(summary)
    headline = summary[: place.start()] if place else summary
    return _cut(mask(headline), MAX_SUMMARY) + (mask(place.group()) if place else "")


def end_of(traceback_text: str) -> str:
    """The last lines of a traceback."""
    if len(traceback_text) <= MAX_TRACEBACK:
        return traceback_text
    kept = traceback_text[-MAX_TRACEBACK:]
    return kept.partition("\n")[2] or kept


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _headline(error: BaseException, told: "traceback.TracebackException") -> str:
    """Type and message in one line; for a syntax error without the quoted source, which Python puts first."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    return next(told.format_exception_only()).strip().partition("\n")[0]


def _keep_own(told: "traceback.TracebackException", folders: Sequence[str]) -> "list[traceback.FrameSummary]":
    """Drop all other frames, of the exceptions it came from as well; returns its own."""
    for related in (told.__cause__, told.__context__, *(told.exceptions or ())):
        if related is not None:
            _keep_own(related, folders)
    told.stack[:] = [frame for frame in told.stack if _below(frame.filename, folders)]
    return list(told.stack)


def _location(
    error: BaseException, frames: "Sequence[traceback.FrameSummary]", folders: Sequence[str]
) -> str:
    """`file:line` within the plugin path, of the syntax error or of the innermost frame; empty where there is none."""
    if isinstance(error, SyntaxError) and error.filename and _below(error.filename, folders):
        return f"{_relative(error.filename, folders)}:{error.lineno}"
    return f"{_relative(frames[-1].filename, folders)}:{frames[-1].lineno}" if frames else ""


def _below(filename: str, folders: Sequence[str]) -> bool:
    return any(filename.startswith(folder + os.sep) for folder in folders)


def _relative(filename: str, folders: Sequence[str]) -> str:
    return next(filename[len(folder) + 1 :] for folder in folders if filename.startswith(folder + os.sep))


def without_root(text: str, root: str) -> str:
    """Names as the plugin's author knows them."""
    return text.replace(f"{root}.", "") if root else text
