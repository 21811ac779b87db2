"""In which line of a TOML text each key and each value stands; the text must be one that `tomllib` reads.

`tomllib` gives values without their places, so the text is walked once more, over its grammar's few forms:
tables, arrays of tables, dotted and quoted keys, inline tables, arrays, and the four kinds of strings.
"""

import re
import tomllib
from bisect import bisect_right

from isp_plugin_sdk.values import below

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})' r"|'''.*?'''(?:'{0,2})" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]*")


def lines_of(text: str) -> dict[str, int]:
    """The line of every key path (`hooks.0.priority`), counted from 1."""
    walker = _Walker(text)
    walker.document()
    return walker.lines


def line_of(lines: dict[str, int], path: str) -> int:
    """The line of a path, or of the nearest thing around it that stands in the text; 1 for the whole."""
    while path and path not in lines:
        path = path.rpartition(".")[0]
    return lines.get(path, 1)


class _Walker:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[str, int] = {}
        self.newest: dict[str, int] = {}
        """Index of the newest table of each array of tables."""
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def document(self) -> None:
        """Walk the whole text."""
        table = ""
        while self.skip(_BLANK):
            if self.text.startswith("[[", self.at):
                table = self.array_of_tables()
            elif self.text[self.at] == "[":
                self.at += 1
                table = self.reach("", self.key())
                self.skip(_SPACE)
                self.at += 1
            else:
                self.pair(table)

    def array_of_tables(self) -> str:
        self.at += 2
        *outer, last = self.key()
        array = below(self.reach("", outer), last)
        self.lines.setdefault(array, self.line)
        self.newest[array] = self.newest.get(array, -1) + 1
        table = below(array, self.newest[array])
        self.lines[table] = self.line
        self.skip(_SPACE)
        self.at += 2
        return table

    def reach(self, path: str, parts: list[str]) -> str:
        """The path of a table below another, through the newest of each array on the way."""
        for part in parts:
            path = below(path, part)
            self.lines.setdefault(path, self.line)
            if path in self.newest:
                path = below(path, self.newest[path])
        return path

    def pair(self, table: str) -> None:
        parts = self.key()
        path = table
        for part in parts:
            path = below(path, part)
            self.lines.setdefault(path, self.line)
        self.skip(_SPACE)
        self.at += 1  # the equals sign
        self.skip(_SPACE)
        self.value(path)

    def key(self) -> list[str]:
        """A bare, quoted or dotted key."""
        parts = []
        while True:
            self.skip(_SPACE)
            if self.text[self.at] in "\"'":
                literal = self.take(_STRING)
                parts.append(str(tomllib.loads(f"key = {literal}")["key"]))
            else:
                parts.append(self.take(_BARE_KEY))
            self.skip(_SPACE)
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def value(self, path: str) -> None:
        first = self.text[self.at]
        if first in "\"'":
            self.take(_STRING)
        elif first == "[":
            self.array(path)
        elif first == "{":
            self.inline_table(path)
        else:
            self.take(_SCALAR)

    def array(self, path: str) -> None:
        self.at += 1
        index = 0
        while self.skip(_BLANK) and self.text[self.at] != "]":
            here = below(path, index)
            self.lines[here] = self.line
            self.value(here)
            index += 1
            self.comma()
        self.at += 1

    def inline_table(self, path: str) -> None:
        self.at += 1
        while self.skip(_BLANK) and self.text[self.at] != "}":
            self.pair(path)
            self.comma()
        self.at += 1

    def comma(self) -> None:
        self.skip(_BLANK)
        if self.text[self.at] == ",":
            self.at += 1

    @property
    def line(self) -> int:
        return bisect_right(self.starts, self.at)

    def skip(self, pattern: re.Pattern[str]) -> bool:
        """Go past what matches; whether there is more of the text."""
        self.take(pattern)
        return self.at < len(self.text)

    def take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise ValueError(f"no TOML at line {self.line}")
        self.at = found.end()
        return found[0]
