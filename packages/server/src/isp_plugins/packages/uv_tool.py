"""uv, as this host runs it: the binary of its own environment, no configuration of anybody's, the operator's index, wheels only.

1. It never fetches a Python, builds nothing, and keeps what it fetched in the data directory.
2. The index's URL goes through its environment, so that credentials are on no command line; what it says is masked.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from uv import find_uv_bin

from isp_plugins.packages.limits import PackageFolders, PackageLimits
from isp_plugins.packages.processes import Finished, run
from isp_plugins.packages.tool_environment import base_environment
from isp_plugins.settings import Settings


class Uv:
    """Runs uv for one data directory."""

    def __init__(self, settings: Settings, folders: PackageFolders, limits: PackageLimits) -> None:
        self._program = find_uv_bin()
        self._folders = folders
        self._limits = limits
        self._index_url = settings.package_index_url
        self._offline = settings.package_offline == "yes"
        self._find_links = settings.find_links_folders

    @property
    def index_url(self) -> str | None:
        """The operator's index, with its credentials; None: the public one."""
        return self._index_url

    @property
    def find_links(self) -> tuple[Path, ...]:
        """The operator's folders of wheels."""
        return self._find_links

    async def run(
        self,
        *arguments: str,
        folder: Path,
        find_links: Sequence[Path] = (),
        offline: bool = False,
    ) -> Finished:
        """Run `uv <arguments>` with the index and the folders of wheels."""
        links = [f"--find-links={place}" for place in (*find_links, *self._find_links) if place.is_dir()]
        return await self.run_bare(*arguments, *links, folder=folder, offline=offline)

    async def run_bare(self, *arguments: str, folder: Path, offline: bool = False) -> Finished:
        """Run `uv <arguments>` that need no packages from anywhere."""
        self._folders.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        return await run(
            [self._program, *arguments],
            environment=self._environment(folder, offline=offline),
            folder=folder,
            timeout_s=self._limits.resolve_s,
        )

    def _environment(self, folder: Path, *, offline: bool) -> dict[str, str]:
        environment = base_environment(folder) | {
            "UV_CACHE_DIR": str(self._folders.cache),
            "UV_NO_CONFIG": "1",
            "UV_NO_ENV_FILE": "1",
            "UV_NO_PROGRESS": "1",
            "NO_COLOR": "1",
            "UV_PYTHON": sys.executable,
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_BUILD": "1",
            "UV_KEYRING_PROVIDER": "disabled",
        }
        if self._index_url:
            environment["UV_DEFAULT_INDEX"] = self._index_url
        if self._offline or offline:
            environment["UV_OFFLINE"] = "1"
        return environment
