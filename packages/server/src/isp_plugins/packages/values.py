"""What an installation goes through, from a source to a kept artifact with its environment: values only."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class SourceKind(StrEnum):
    """Where a package comes from."""

    DIRECTORY = "directory"
    """A folder on this machine: a distribution with `pyproject.toml`, or a command with `plugin.toml` at its top."""
    UPLOAD = "upload"
    """A file that was sent: a wheel, an sdist, or a zip (of either folder, or of wheels: a bundle)."""
    GIT = "git"
    """A repository, pinned to the commit that the reference resolved to."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a package is to be fetched from."""

    kind: SourceKind
    location: str
    """Folder, file, or URL; a URL may hold credentials, which are never stored or shown."""
    ref: str | None = None
    """Branch, tag or commit of a git repository; None: its default branch."""
    name: str | None = None
    """The name under which an upload was sent; None: the file's own. A wheel's name counts, so it must be kept."""


@dataclass(frozen=True, slots=True)
class Download:
    """What was fetched: one file or one folder in staging."""

    path: Path
    origin: Mapping[str, Any]
    """For the record, without credentials: `{kind, location, ref, commit, name, sha256, bytes}`; what does not apply is None."""


class TreeKind(StrEnum):
    """What a download turned out to be."""

    WHEEL = "wheel"
    """A built distribution, checked against its RECORD."""
    DISTRIBUTION = "distribution"
    """A folder with `pyproject.toml` (or `setup.py`), to be built."""
    COMMAND = "command"
    """A folder with `plugin.toml` at its top."""


@dataclass(frozen=True, slots=True)
class Tree:
    """An unpacked download."""

    kind: TreeKind
    path: Path
    """The wheel, or the folder."""
    wheels: Path | None = None
    """Folder of the wheels that came with it in a bundle; hand it to `resolve`."""


@dataclass(frozen=True, slots=True)
class Locked:
    """One distribution of a lock."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Lock:
    """What exactly an environment holds; equal locks make equal environments."""

    text: str
    """Requirements with hashes, one a line, sorted; the SDK is one of them."""
    python: str
    """Version of Python and platform, e.g. `cpython-3.11-linux-x86_64`."""
    sdk_digest: str
    """SHA-256 of the SDK's wheel."""
    wheels: Path | None = None
    """Folder of wheels in staging that no index has (from a bundle); not part of the key, not stored."""

    @property
    def key(self) -> str:
        """Name of the environment's folder: SHA-256 over lock text, Python version and the SDK wheel's digest."""
        return hashlib.sha256(f"{self.python}\n{self.sdk_digest}\n{self.text}".encode()).hexdigest()

    @property
    def hashes(self) -> frozenset[str]:
        """SHA-256 of every wheel that may be installed, the SDK's among them."""
        return frozenset(_HASH.findall(self.text)) | {self.sdk_digest}

    @property
    def names(self) -> frozenset[str]:
        """The distributions' names."""
        return frozenset(one.name for one in self.requirements)

    @property
    def requirements(self) -> tuple[Locked, ...]:
        """Every distribution with its version."""
        pins = (line.split(" ", 1)[0] for line in self.text.splitlines() if line)
        return tuple(Locked(*pin.split("==", 1)) for pin in pins)

    def to_dict(self) -> dict[str, str]:
        """The lock as it is stored; `of` reads it back."""
        return {"text": self.text, "python": self.python, "sdk_digest": self.sdk_digest}

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> "Lock":
        """The lock of what `to_dict` gave."""
        return cls(text=value["text"], python=value["python"], sdk_digest=value["sdk_digest"])


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment in its final place."""

    key: str
    path: Path
    made: bool = True
    """False where an equal lock had made it before."""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.path / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A wheel in its final place."""

    digest: str
    """SHA-256 of the wheel."""
    path: Path
    """Its folder."""
    wheel: Path
    bytes: int
    """Size of the wheel."""

    @property
    def code(self) -> Path:
        """The wheel, unpacked."""
        return self.path / "code"


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of the depot."""

    digest: str
    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Freed:
    """What was dropped because nothing refers to it any more."""

    digests: tuple[str, ...] = field(default=())
    environments: tuple[str, ...] = field(default=())
    bytes: int = 0
