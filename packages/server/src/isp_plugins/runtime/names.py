"""What a `module_path` and an `entry_point` may look like, decided from the text alone.

1. A module path is dotted names: no empty part (so no leading dot and no `..`), no slash, no file ending.
2. Every part is a Python identifier in its normal form (NFKC, as Python reads it in source), and no keyword.
3. `__init__`, `__main__` and other names between double underscores are Python's own.
4. An entry point is one such identifier.
"""

import keyword
import unicodedata
from typing import Any

from isp_plugins.runtime.errors import EntryPointInvalidError, ModulePathInvalidError

MAX_MODULE_PATH = 255
"""Characters of a module path, as its column holds."""


def mistake_in_module_path(text: Any) -> str | None:
    """What is wrong with a module path, or None."""
    if not isinstance(text, str):
        return f"it is of type {type(text).__name__}, expected text"
    if not text:
        return "it is empty"
    if len(text) > MAX_MODULE_PATH:
        return f"it has {len(text)} characters, at most {MAX_MODULE_PATH} are allowed"
    if "/" in text or "\\" in text:
        return "it is a path of files, expected names separated by dots"
    return next((mistake for part in text.split(".") if (mistake := _mistake_in_name(part))), None)


def mistake_in_entry_point(text: Any) -> str | None:
    """What is wrong with an entry point, or None."""
    if not isinstance(text, str):
        return f"it is of type {type(text).__name__}, expected text"
    if len(text) > MAX_MODULE_PATH:
        return f"it has {len(text)} characters, at most {MAX_MODULE_PATH} are allowed"
    return _mistake_in_name(text)


def parse_module_path(text: Any) -> tuple[str, ...]:
    """The names of a module path, outermost first; `ModulePathInvalidError` says what is wrong."""
    mistake = mistake_in_module_path(text)
    if mistake is not None:
        raise ModulePathInvalidError(module_path=text, reason=mistake)
    return tuple(text.split("."))


def check_entry_point(text: Any) -> None:
    """Raise `EntryPointInvalidError` unless the text can be the name of a class."""
    mistake = mistake_in_entry_point(text)
    if mistake is not None:
        raise EntryPointInvalidError(entry_point=text, reason=mistake)


def _mistake_in_name(name: str) -> str | None:
    if not name:
        return "a name in it is empty"
    if not name.isidentifier():
        return f"{name!r} is not a Python name"
    if keyword.iskeyword(name):
        return f"{name!r} is a Python keyword"
    if unicodedata.normalize("NFKC", name) != name:
        return f"{name!r} is not in Unicode's normal form NFKC"
    if name.startswith("__") and name.endswith("__"):
        return f"{name!r} is a name of Python's own"
    return None
