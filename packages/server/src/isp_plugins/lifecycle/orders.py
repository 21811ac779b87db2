"""What an installation is asked for, checked before anything is done: source, and what is expected of what comes from it.

1. A folder of the server, or a repository in one, may be named only under the roots that the operator allowed; links are followed first.
2. What is shown and stored of an order holds no credentials of a URL, and of a configuration only its keys.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from isp_plugins.lifecycle.errors import (
    DigestMismatchError,
    LocalSourceMissingError,
    LocalSourceRefusedError,
    PackageNameMismatchError,
    PackageVersionMismatchError,
    RegistryAbsentError,
)
from isp_plugins.packages.values import Source, SourceKind

LOCAL_REPOSITORY = "file"
DIGEST = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")


class SourceType(StrEnum):
    """Where a plugin is installed from (`source_type` in the API)."""

    REGISTRY = "registry"
    """An index of publishable plugins."""
    UPLOAD = "upload"
    """A file that comes with the request."""
    GIT = "git"
    """A git repository, pinned to the commit that `version` resolves to."""
    LOCAL = "local"
    """A folder on the server's machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallOrder:
    """An installation as it was asked for."""

    source_type: SourceType
    source: Source
    name: str | None = None
    """The plugin that is expected; None: whichever it is."""
    version: str | None = None
    """The version that is expected; of git the branch, tag or commit."""
    digest: str | None = None
    """SHA-256 that the fetched file must have, in hexadecimal."""
    configuration: Mapping[str, Any] = field(default_factory=dict, repr=False)
    auto_enable: bool = False
    accept_grants: bool = False
    """Whoever asks has seen what the plugin asks for, or takes whatever it is."""
    upload: Path | None = None
    """Folder of the file that was sent; it goes when the installation has ended."""

    def to_request(self) -> dict[str, Any]:
        """What is stored and shown of it."""
        return {
            "source_type": self.source_type.value,
            "source_location": self.source.name or without_credentials(self.source.location),
            "name": self.name,
            "version": self.version,
            "digest": f"sha256:{self.digest}" if self.digest else None,
            "configuration_keys": sorted(self.configuration),
            "auto_enable": self.auto_enable,
            "accept_grants": self.accept_grants,
        }

    def check_digest(self, found: str | None) -> None:
        """`DigestMismatchError` where another one was expected."""
        if self.digest is not None and (found or "").lower() != self.digest.lower():
            raise DigestMismatchError(found=found or "unknown", expected=self.digest)

    def check_manifest(self, name: str, version: str) -> None:
        """`PackageNameMismatchError`, `PackageVersionMismatchError` where another plugin was expected."""
        if self.name not in {None, name}:
            raise PackageNameMismatchError(found=name, expected=self.name)
        if self.source_type is not SourceType.GIT and self.version not in {None, version}:
            raise PackageVersionMismatchError(name=name, found=version, expected=self.version)


def source_of(
    source_type: SourceType, location: str, *, version: str | None, roots: Sequence[Path]
) -> Source:
    """Where to fetch from, for everything but an upload; `RegistryAbsentError`, `LocalSourceRefusedError`, `LocalSourceMissingError`."""
    if source_type is SourceType.REGISTRY:
        raise RegistryAbsentError(location=location)
    if source_type is SourceType.GIT:
        if urlsplit(location).scheme == LOCAL_REPOSITORY:
            # What was looked at, and no other reading of the URL, is what git gets.
            location = _allowed(unquote(urlsplit(location).path), roots).as_uri()
        return Source(SourceKind.GIT, location, ref=version)
    return Source(SourceKind.DIRECTORY, str(_allowed(location, roots)))


def digest_in(text: str | None) -> str | None:
    """The hexadecimal SHA-256 of `sha256:...`; None for none, ValueError for what is none."""
    if text is None:
        return None
    found = DIGEST.fullmatch(text)
    if found is None:
        raise ValueError("expected sha256: and 64 hexadecimal digits")
    return found[1].lower()


def without_credentials(url: str) -> str:
    """A URL without user and password; what is no URL stays as it is."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _allowed(location: str, roots: Sequence[Path]) -> Path:
    """The folder, where it lies under an allowed root; others are not even looked at."""
    folder = Path(location)
    resolved = folder.resolve()
    if not folder.is_absolute() or not any(resolved.is_relative_to(root.resolve()) for root in roots):
        raise LocalSourceRefusedError(
            location=location, roots=", ".join(map(str, roots)) or "none is allowed"
        )
    if not resolved.is_dir():
        raise LocalSourceMissingError(location=location)
    return resolved
