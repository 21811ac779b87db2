"""Builds the environment of a lock: the SDK and the locked dependencies in a virtual environment that can be moved.

1. Every distribution must have a hash of the lock; bytecode is compiled, for a worker starts three times as fast with it.
2. It is made in staging and renamed into place; whoever comes second with an equal lock takes the first one's.
3. Wheels come from the folders given, the wheelhouse, the cache, and the index, whichever has the hash; so a stored lock is installed
   again without a network. Nothing of the host's own environment is read or written.
"""

import json
import shutil
import sys
import venv
from pathlib import Path
from types import SimpleNamespace

from isp_plugins.packages.bytecode import compile_environment
from isp_plugins.packages.errors import EnvironmentFailedError, LockOutdatedError
from isp_plugins.packages.in_thread import in_thread
from isp_plugins.packages.limits import PackageFolders, PackageLimits
from isp_plugins.packages.locking import keep_wheels, kept_wheels, this_python
from isp_plugins.packages.moving import rename_into_place
from isp_plugins.packages.processes import Finished
from isp_plugins.packages.refusals import in_words, refuse_full_disk
from isp_plugins.packages.sdk_wheel import DISTRIBUTION, kept_sdk
from isp_plugins.packages.startup_files import take_out_startup_code
from isp_plugins.packages.uv_tool import Uv
from isp_plugins.packages.values import Environment, Lock

MARKER = "isp-plugins-environment.json"


async def build_environment(
    uv: Uv, folders: PackageFolders, limits: PackageLimits, lock: Lock, staging: Path
) -> Environment:
    """The environment; `EnvironmentFailedError`, `LockOutdatedError`."""
    target = folders.environments / lock.key
    if target.is_dir():
        return Environment(lock.key, target, made=False)
    sdk = kept_sdk(folders.sdk, lock.sdk_digest)
    if lock.python != this_python():
        raise LockOutdatedError(wanted=lock.python, present=this_python())
    if sdk is None:
        raise LockOutdatedError(wanted=f"the SDK {lock.sdk_digest[:12]}", present="another one")
    given = (*((lock.wheels,) if lock.wheels else ()), *(link for link in uv.find_links if link.is_dir()))
    keep_wheels(lock, given, folders.wheelhouse)
    made = staging / "environment"
    shutil.rmtree(made, ignore_errors=True)
    await _fill(uv, made, lock, sdk, kept_wheels(lock, folders.wheelhouse))
    await _finish(made, folders, limits)
    (made / MARKER).write_text(json.dumps(lock.to_dict()))
    first = await in_thread(rename_into_place, made, target)
    return Environment(lock.key, target, made=first)


async def _fill(uv: Uv, made: Path, lock: Lock, sdk: Path, wheels: list[Path]) -> None:
    staging = made.parent
    await in_thread(_make_bare, made)
    locked = staging / "locked.txt"
    pinned = f"{DISTRIBUTION} @ {sdk.as_uri()} --hash=sha256:{lock.sdk_digest}"
    locked.write_text("".join(f"{_placed(line, pinned)}\n" for line in lock.text.splitlines()))
    _expect(
        await uv.run(
            "pip", "sync", str(locked), f"--python={made}", "--require-hashes", "--only-binary=:all:",
            "--no-sources", folder=staging, find_links=wheels, offline=_is_covered(lock, wheels),
        ),
        staging,
    )  # fmt: skip


def _make_bare(made: Path) -> None:
    """An empty virtual environment that works wherever it is moved to: no activation scripts, which would hold this path."""
    builder = _Builder(symlinks=True, with_pip=False)
    builder.create(made)
    configuration = made / "pyvenv.cfg"
    kept = [line for line in configuration.read_text().splitlines() if not line.startswith("command")]
    # uv then writes scripts that look for their interpreter beside themselves.
    configuration.write_text("\n".join([*kept, "relocatable = true"]) + "\n")


class _Builder(venv.EnvBuilder):
    def setup_scripts(self, context: SimpleNamespace) -> None:
        """None."""


async def _finish(made: Path, folders: PackageFolders, limits: PackageLimits) -> None:
    """Nothing runs by itself, and everything is compiled."""
    site_packages = (
        made / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    )
    await in_thread(take_out_startup_code, site_packages)
    await compile_environment(site_packages, folders.bytecode, made.parent, limits)


def _is_covered(lock: Lock, wheels: list[Path]) -> bool:
    """Whether every distribution is at hand: then no network is asked, which may not be there."""
    here = {place.name for place in wheels}
    lines = [line for line in lock.text.splitlines() if not line.startswith(f"{DISTRIBUTION}==")]
    return all(here & {word.removeprefix("--hash=sha256:") for word in line.split()} for line in lines)


def _placed(line: str, pinned: str) -> str:
    """A line of the lock, the SDK's with the file that it comes from."""
    return pinned if line.startswith(f"{DISTRIBUTION}==") else line


def _expect(finished: Finished, staging: Path) -> None:
    if finished.timed_out:
        raise EnvironmentFailedError(reason="it took longer than ISP_PLUGINS_PACKAGE_RESOLVE_TIMEOUT allows")
    if not finished.worked:
        refuse_full_disk(finished.output, staging)
        raise EnvironmentFailedError(reason=in_words(finished.output))
