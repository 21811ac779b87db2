"""Tracebacks for plugin authors: the frames of their own code, without the host's around it.

1. The host's frames, generated chains, and what of the standard library stands above the plugin are left out.
2. Where no frame of the plugin remains (a deadline, say, or a refused result) there is no traceback: the message says it all.
3. Causes and contexts are kept and treated alike. An error that cannot be printed is no reason to fail.
"""

import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

MAX_FRAMES = 60
"""Innermost frames that are kept."""
HOST = str(Path(__file__).parents[1]) + "/"
LIBRARY = sysconfig.get_paths()["stdlib"] + "/"


def words_of(error: BaseException) -> str:
    """An error in one line: its class and message."""
    try:
        text = str(error)
    except BaseException as unprintable:
        text = f"(its message cannot be printed: {type(unprintable).__name__})"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def plugin_traceback(error: BaseException) -> str | None:
    """The traceback of an error that came out of a plugin; None where the plugin's code is not in it."""
    told = getattr(error, "remote_traceback", None)
    if isinstance(told, str):  # it was raised in a worker, whose frames are text
        return told
    try:
        found = traceback.TracebackException.from_exception(error, limit=-MAX_FRAMES)
        for one in _with_causes(found):
            one.stack = traceback.StackSummary.from_list(list(_of_plugin(one.stack)))
        return "".join(found.format()) if any(one.stack for one in _with_causes(found)) else None
    except Exception as broken:
        return f"(the traceback cannot be printed: {type(broken).__name__})"


def _with_causes(found: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    todo = [found]
    while todo:
        one = todo.pop()
        yield one
        todo += [it for it in (one.__cause__, one.__context__, *(one.exceptions or ())) if it is not None]


def _of_plugin(frames: traceback.StackSummary) -> Iterator[traceback.FrameSummary]:
    """From the first frame of the plugin on, all but the host's."""
    inside = False
    for frame in frames:
        host = frame.filename.startswith((HOST, "<"))
        inside = inside or not (host or _is_library(frame.filename))
        if inside and not host:
            yield frame


def _is_library(filename: str) -> bool:
    return filename.startswith(LIBRARY) and "/site-packages/" not in filename
