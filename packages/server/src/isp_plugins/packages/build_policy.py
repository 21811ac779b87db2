"""What a build of a plugin's source may do: read the system and its toolchain, write its own folders, and reach nobody.

1. It may start programs (compilers), and execute what it built. It reads nothing of the data directory but its own environment and folders.
2. Its environment is not its to write: the host runs that interpreter, outside the sandbox, when it fetches what the build needs.
3. Where the host is root it is another user: the number that a plugin with id 0 would have, which no plugin has.
4. It cannot do without changing modes of files: where nothing keeps that to its own ones, `require` builds nothing.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from isp_plugin_sdk.sandbox.policy import Enforcement, SandboxPolicy
from isp_plugin_sdk.sandbox.privileges import exists_here
from isp_plugins.packages.limits import MIB

TOOLCHAIN = (
    "/usr/include",
    "/usr/local/include",
    "/usr/libexec",
    "/usr/local/libexec",
    "/usr/share",
    "/usr/local/share",
    "/usr/sbin",
    "/sbin",
    "/etc/alternatives",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/os-release",
    "/etc/debian_version",
    "/etc/passwd",
    "/etc/group",
    "/etc/gitconfig",
)
"""Beside what every worker reads of the system. `/etc/passwd` holds names of users, and no passwords."""
BUILD_MEMORY_MB, BUILD_OPEN_FILES, BUILD_PROCESSES = 4096, 1024, 512


@dataclass(frozen=True, slots=True)
class BuildSandbox:
    """How builds of this host are confined."""

    data_dir: Path
    enforcement: Enforcement
    first_uid: int

    @property
    def uid(self) -> int | None:
        """The user that a build becomes; None: it stays who the host is."""
        if os.geteuid() != 0 or not self.first_uid or self.enforcement is Enforcement.OFF:
            return None
        return self.first_uid if exists_here(self.first_uid) else None

    def policy(
        self, folders: tuple[Path, ...], *, path: str, file_bytes: int, build_s: float
    ) -> SandboxPolicy:
        """The policy of a build that writes these folders; `path` is its PATH."""
        own = tuple(map(str, folders))
        return SandboxPolicy(
            enforcement=self.enforcement,
            read=TOOLCHAIN,
            write=own,
            execute=(*own, *self._programs(path)),
            processes=True,
            memory_mb=BUILD_MEMORY_MB,
            cpu_seconds=max(1, int(build_s) * 4),
            open_files=BUILD_OPEN_FILES,
            file_mb=max(1, file_bytes // MIB),
            threads=BUILD_PROCESSES,
            uid=self.uid,
            gid=self.uid,
            file_attributes=True,
        )

    def _programs(self, path: str) -> Iterator[str]:
        """Folders of programs, but for those that hold the data directory or lie in it."""
        for text in path.split(":"):
            folder = Path(os.path.realpath(text)) if text else Path("/")
            if not (folder.is_relative_to(self.data_dir) or self.data_dir.is_relative_to(folder)):
                yield str(folder)

    def give(self, *folders: Path) -> None:
        """Make these folders, and all that is in them, the build's; links are not followed."""
        uid = self.uid
        if uid is None:
            return
        for folder in folders:
            os.chown(folder, uid, uid, follow_symlinks=False)
            for place, names, files in os.walk(folder):
                for name in (*names, *files):
                    os.chown(f"{place}/{name}", uid, uid, follow_symlinks=False)
