"""Reads the text of a `plugin.toml`: every mistake at once, each with the line it stands in.

1. A text that is no TOML has one mistake, with the line at which reading ended.
2. A mistake's line is that of its key, or of the table where a key is missing.
3. Texts of more than 256 KiB are refused; more than a hundred mistakes are not told.
"""

import re
import tomllib
from itertools import islice
from typing import Any, TypedDict

from isp_plugin_sdk.errors import ManifestInvalidError
from isp_plugin_sdk.manifest.lines import line_of, lines_of
from isp_plugin_sdk.manifest.tables import MANIFEST
from isp_plugin_sdk.manifest.values import Manifest
from isp_plugin_sdk.schema.mistakes import MOST, Mistake, mistake

FILE_NAME = "plugin.toml"
MAX_BYTES = 256 * 1024
SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"
_AT_LINE = re.compile(r" ?\(at (?:line (\d+), column \d+|end of document)\)")


class ManifestMistake(TypedDict):
    """One mistake of a manifest."""

    path: str
    line: int
    message: str
    expected: str
    got: str


def read(content: str | bytes) -> Manifest:
    """The manifest of a text; `ManifestInvalidError` with every mistake."""
    document, mistakes = _checked(content)
    if mistakes:
        summary = "; ".join(f"line {one['line']}: {one['path']}: {one['message']}" for one in mistakes)
        raise ManifestInvalidError(summary=summary, mistakes=mistakes)
    return Manifest.of(document)


def mistakes_in(content: str | bytes) -> list[ManifestMistake]:
    """Every mistake of a text; empty for a good one."""
    return _checked(content)[1]


def document_mistakes(document: Any) -> list[Mistake]:
    """Every mistake of a document that was read already (from TOML or from JSON), without lines."""
    return list(islice(MANIFEST.mistakes(document, ""), MOST))


def with_lines(content: str | bytes, mistakes: list[Any]) -> list[ManifestMistake]:
    """Mistakes that others found in a good TOML text, with their lines, in the order of the text."""
    text = content if isinstance(content, str) else content.decode()
    lines = lines_of(text.replace("\r\n", "\n"))
    found = [_with_line(one, line_of(lines, one["path"])) for one in mistakes]
    return sorted(found, key=lambda one: one["line"])


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a manifest, for editors; says what `mistakes_in` says, up to uniqueness, reserved words and defaults."""
    head = {"$schema": SCHEMA_ID, "title": "plugin.toml of the ISP Framework Plugin System"}
    return {**head, **MANIFEST.schema()}


def _checked(content: str | bytes) -> tuple[dict[str, Any], list[ManifestMistake]]:
    if len(content) > MAX_BYTES:
        got = f"{len(content):,}"
        return {}, [_with_line(mistake("", f"a manifest of at most {MAX_BYTES:,} bytes", got), 1)]
    try:
        text = content if isinstance(content, str) else content.decode()
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return {}, [_with_line(mistake("", "text in UTF-8", "other bytes"), line)]
    except RecursionError:
        return {}, [_with_line(mistake("", "values that nest less deep", "hundreds of levels"), 1)]
    except ValueError as error:  # tomllib's own, and an integer of more digits than Python reads
        return {}, [_syntax_mistake(str(error), text)]
    return document, with_lines(text, list(document_mistakes(document)))


def _syntax_mistake(message: str, text: str) -> ManifestMistake:
    """What tomllib says, with the line that it names."""
    place = _AT_LINE.search(message)
    last = text.count("\n") + 1
    line = int(place[1]) if place and place[1] else last if place else 1
    problem = _AT_LINE.sub("", message)
    return {
        "path": "",
        "line": line,
        "message": f"is no TOML: {problem}",
        "expected": "TOML",
        "got": problem,
    }


def _with_line(one: Any, line: int) -> ManifestMistake:
    """A mistake with its line."""
    return {
        "path": one["path"],
        "line": line,
        "message": one["message"],
        "expected": one.get("expected", ""),
        "got": one.get("got", ""),
    }
