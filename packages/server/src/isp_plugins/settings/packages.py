"""How plugins are installed and upgraded, where their packages come from, and how much room those take."""

from dataclasses import dataclass
from pathlib import Path

from isp_plugins.settings.values import folders_of, setting


@dataclass(frozen=True)
class PackageGroup:
    """How plugins are installed and upgraded, where their packages come from, and how much room those take."""

    local_sources: str | None = setting(
        None,
        "Folders (separated like PATH) of the server below which a plugin may be installed from over the API; unset: none. The command line packs and uploads a folder instead.",
    )
    operation_concurrency: int = setting(
        2, "Installations that are worked on at the same time; others are queued.", low=1
    )
    operation_retention_days: float = setting(
        30.0, "How long ended operations are kept, in days; 0: for ever.", low=0.0, high=36_500
    )
    release_keep: int = setting(
        3, "How many earlier releases of an installed plugin are kept, to roll back to.", low=0, high=100
    )
    upgrade_watch: float = setting(
        60.0,
        "How long a new version is watched after an upgrade, in seconds; it goes back by itself when it does harm. 0: not.",
        low=0.0,
        high=86_400,
    )
    upgrade_error_percent: float = setting(
        5.0,
        "A watched version with a larger share of failed calls goes back, in percent.",
        low=0.0,
        high=100.0,
    )
    upgrade_min_calls: int = setting(
        20, "Calls that a watched version must have had before their share of errors counts.", low=1
    )
    package_index_url: str | None = setting(
        None,
        "Package index (PEP 503) that plugins' dependencies come from; may hold credentials; unset: uv's own default, pypi.org.",
        pattern=r"(https?|file)://.+",
        secret=True,
    )
    package_find_links: str | None = setting(
        None, "Folders of wheels (separated like PATH) that are looked into beside the index."
    )
    package_offline: str = setting(
        "no",
        "`yes`: nothing is fetched from a network for a plugin's environment; wheels come from `ISP_PLUGINS_PACKAGE_FIND_LINKS`, a bundle, or the cache.",
        pattern="no|yes",
    )
    depot: str | None = setting(
        None,
        "Where nodes share plugins' wheels: `database`, `none`, or an object store's URL (`file:///shared/folder`, `https://host/path` with PUT and DELETE, `s3://bucket/path` with the credentials of `AWS_*`); unset: the database on PostgreSQL, none on SQLite.",
        pattern=r"database|none|file:///.+|https?://.+|s3://.+",
        secret=True,
    )
    package_cache_days: float = setting(
        90.0,
        "How long what saves time with the next installation is kept unused (`package-cache`, `bytecode-cache`), in days; 0: for ever. What a release needs stays.",
        low=0.0,
        high=36_500,
    )
    package_cache_mb: int = setting(
        2048, "Most that `package-cache` holds, in MiB; beyond, the oldest go first; 0: no limit.", low=0
    )
    bytecode_cache_mb: int = setting(
        512, "Most that `bytecode-cache` holds, in MiB; beyond, the oldest go first; 0: no limit.", low=0
    )
    package_max_mb: int = setting(200, "Largest plugin package that is fetched, in MiB.", low=1)
    package_max_unpacked_mb: int = setting(
        500, "Most that a plugin package may hold once it is unpacked, in MiB.", low=1
    )
    package_max_files: int = setting(20_000, "Most files and folders in a plugin package.", low=1)
    package_fetch_timeout: float = setting(300.0, "Limit for fetching a plugin package, in seconds.", low=0.1)
    package_build_timeout: float = setting(
        600.0, "Limit for building a plugin's own source to a wheel, in seconds.", low=0.1
    )
    package_resolve_timeout: float = setting(
        300.0,
        "Limit for resolving a plugin's dependencies, and for building its environment, each, in seconds.",
        low=0.1,
    )

    @property
    def find_links_folders(self) -> tuple[Path, ...]:
        """The operator's folders of wheels."""
        return folders_of(self.package_find_links or "")

    @property
    def local_source_roots(self) -> tuple[Path, ...]:
        """The folders below which the API may install from."""
        return folders_of(self.local_sources or "")
