"""What uv says when it cannot resolve or fetch, in words for an operator: pure functions over its output.

1. The drawing, the names of files that only this host knows, and credentials are left out.
2. A network that does not answer is another thing than requirements that cannot be met: the first may pass.
"""

import re
from enum import Enum, auto
from pathlib import Path

from isp_plugins.packages.errors import DiskFullError
from isp_plugins.packages.masking import masked

_MOST = 1500
_DRAWING = re.compile(r"^[^\w`'\"(\[]*")
"""uv draws its causes as a tree of lines, arrows and crosses."""
_LEADS = re.compile(r"^(error|hint|cause|caused by): ?", re.IGNORECASE)
_NOISE = re.compile(
    r"^(warning|No solution found when resolving|Request failed after|Using |Resolved |Prepared |Downloaded |Installed |Uninstalled |Bytecode )",
    re.IGNORECASE,
)
_NETWORK = re.compile(
    r"Failed to fetch|error sending request|Could not connect|dns error|timed out|Connection (refused|reset)|Network connectivity is disabled|client error|"
    r"network was disabled|tls handshake|HTTP status (server error|client error)",
    re.IGNORECASE,
)
_CONFLICT = re.compile(r"No solution found|unsatisfiable|cannot be used", re.IGNORECASE)
_WHEEL_FILE = re.compile(r" @ file://\S+| \(from file://\S+?\)|file://\S+/")


_FULL = re.compile(
    r"No space left on device|Disk quota exceeded|File too large \(os error 27\)|Errno (28|122|27)\b"
)


class RefusalKind(Enum):
    """Why uv gave up."""

    IMPOSSIBLE = auto()
    """What is required does not exist, or not together."""
    UNREACHABLE = auto()
    """The index did not answer, or must not be asked."""


def kind_of(output: str) -> RefusalKind:
    """Whether it is the requirements or the network."""
    if _NETWORK.search(output) and not _CONFLICT.search(output):
        return RefusalKind.UNREACHABLE
    return RefusalKind.IMPOSSIBLE


def refuse_full_disk(output: str, path: Path) -> None:
    """`DiskFullError` where a tool failed for want of space."""
    if found := _FULL.search(output):
        raise DiskFullError(path=path, problem=found[0])


def in_words(output: str) -> str:
    """What uv said, in one paragraph without a full stop at its end."""
    sentences: list[str] = []
    for line in masked(output).splitlines():
        text = _LEADS.sub("", _DRAWING.sub("", line)).strip()
        text = _WHEEL_FILE.sub("", text)
        if text and not _NOISE.match(text) and text not in sentences:
            sentences.append(text)
    words = re.sub(r"\s+", " ", " ".join(sentences))
    words = words.rstrip(". ") or "uv ended without a word"
    return words if len(words) <= _MOST else words[: _MOST - 1] + "…"
