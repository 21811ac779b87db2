"""Every limit of packages, its default and its unit; what an operator can set comes from the settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from isp_plugins.settings import Settings

MIB = 1024 * 1024
MAX_NAME_BYTES = 1000
"""Of one path in an archive."""
MAX_PART_BYTES = 255
"""Of one name between slashes; file systems allow no more."""
MAX_DEPTH = 40
MAX_RATIO = 200
"""Unpacked to packed bytes of a whole archive; beyond `RATIO_FREE_BYTES`. Text and code compress 3 to 10 times."""
RATIO_FREE_BYTES = 8 * MIB
"""A small archive may compress better: there is nothing to win with it."""
MAX_LOG_BYTES = 16 * MIB
"""Of what a tool (uv, git, a build) may write to its output."""
SHOWN_LOG_LINES = 60


@dataclass(frozen=True, slots=True)
class PackageLimits:
    """What one package may be, and how long each step may take."""

    fetched_bytes: int
    unpacked_bytes: int
    entries: int
    fetch_s: float
    build_s: float
    resolve_s: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The operator's limits."""
        return cls(
            fetched_bytes=settings.package_max_mb * MIB,
            unpacked_bytes=settings.package_max_unpacked_mb * MIB,
            entries=settings.package_max_files,
            fetch_s=settings.package_fetch_timeout,
            build_s=settings.package_build_timeout,
            resolve_s=settings.package_resolve_timeout,
        )


@dataclass(frozen=True, slots=True)
class PackageFolders:
    """Where packages lie in the data directory."""

    data_dir: Path

    @property
    def artifacts(self) -> Path:
        """Wheels, and the same unpacked, by SHA-256."""
        return self.data_dir / "artifacts"

    @property
    def environments(self) -> Path:
        """Virtual environments by the key of their lock."""
        return self.data_dir / "environments"

    @property
    def cache(self) -> Path:
        """What uv has fetched; it makes a re-install possible without a network."""
        return self.data_dir / "package-cache"

    @property
    def bytecode(self) -> Path:
        """Compiled modules of distributions, for the next environment that holds the same."""
        return self.data_dir / "bytecode-cache"

    @property
    def wheelhouse(self) -> Path:
        """Wheels that came from no index (bundles, find-links), by SHA-256, for a re-install."""
        return self.data_dir / "wheelhouse"

    @property
    def sdk(self) -> Path:
        """The SDK's wheels, by SHA-256."""
        return self.data_dir / "sdk"

    @property
    def fetching(self) -> Path:
        """What is being brought here from the depot."""
        return self.data_dir / "fetching"

    @property
    def trash(self) -> Path:
        """What is being deleted."""
        return self.data_dir / "trash"
