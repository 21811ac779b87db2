"""What exactly a plugin's environment will hold: resolved by uv, with hashes, written down as a lock.

1. The plugin's wheel and the SDK's are given to the resolver as files, so that no index can put another in their place.
2. The lock names the SDK by version and hash, and not the plugin: equal locks share an environment.
3. Wheels that no index has (from a bundle, from find-links) are kept in the wheelhouse, so that the lock can be installed again.
"""

import hashlib
import platform
import re
import secrets
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from isp_plugin_sdk.manifest import Manifest
from isp_plugins.packages.errors import (
    PackageIndexUnreachableError,
    ResolutionImpossibleError,
    WheelInvalidError,
)
from isp_plugins.packages.moving import rename_into_place
from isp_plugins.packages.processes import Finished
from isp_plugins.packages.refusals import RefusalKind, in_words, kind_of, refuse_full_disk
from isp_plugins.packages.sdk_wheel import DISTRIBUTION, SdkWheel
from isp_plugins.packages.uv_tool import Uv
from isp_plugins.packages.values import Lock
from isp_plugins.packages.wheels import name_of

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def this_python() -> str:
    """Version of Python and platform, as a lock has it; a newer patch runs the same wheels."""
    name, version = platform.python_implementation().lower(), platform.python_version_tuple()
    return f"{name}-{version[0]}.{version[1]}-{sysconfig.get_platform()}"


async def resolve(
    uv: Uv, wheel: Path, manifest: Manifest, sdk: SdkWheel, staging: Path, *, wheels: Path | None
) -> Lock:
    """The lock; `ResolutionImpossibleError` with the reason, `PackageIndexUnreachableError`."""
    requirements, output = staging / "requirements.in", staging / "requirements.txt"
    own = name_of(wheel).name
    requirements.write_text(f"{own} @ {wheel.as_uri()}\n{DISTRIBUTION} @ {sdk.path.as_uri()}\n")
    finished = await uv.run(
        "pip", "compile", str(requirements), f"--output-file={output}", "--generate-hashes", "--only-binary=:all:",
        "--no-header", "--no-annotate", "--no-sources",
        folder=staging, find_links=[wheels] if wheels else [],
    )  # fmt: skip
    if not finished.worked:
        refuse_full_disk(finished.output, staging)
        raise refusal(finished, manifest.name)
    pin = f"{DISTRIBUTION}=={sdk.version} --hash=sha256:{sdk.digest}"
    lines = list(_joined(output.read_text()))
    by_url = [line for line in lines if " @ " in line]
    if foreign := [name for line in by_url if (name := line.split(" @ ")[0]) not in {own, DISTRIBUTION}]:
        reason = f"{', '.join(foreign)} is required by its URL; require it by name, so that it can be locked and come from the index"
        raise ResolutionImpossibleError(plugin=manifest.name, reason=reason)
    lines = [line for line in lines if line not in by_url]
    text = "".join(f"{line}\n" for line in sorted([*lines, pin]))
    return Lock(text, this_python(), sdk.digest, wheels)


def keep_wheels(lock: Lock, folders: tuple[Path, ...], wheelhouse: Path) -> None:
    """Copy those wheels of the lock that lie in folders to the wheelhouse, each under its SHA-256."""
    wanted = set(_HASH.findall(lock.text))
    names = {requirement.name for requirement in lock.requirements}
    for wheel in (wheel for folder in folders for wheel in sorted(folder.glob("*.whl"))):
        if not _is_of(wheel, names):
            continue
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if digest in wanted and not (wheelhouse / digest).is_dir():
            part = wheelhouse / f".{digest}-{secrets.token_hex(4)}"
            part.mkdir(parents=True)
            shutil.copyfile(wheel, part / wheel.name)
            rename_into_place(part, wheelhouse / digest)


def kept_wheels(lock: Lock, wheelhouse: Path) -> list[Path]:
    """Folders of the wheelhouse that hold wheels of the lock."""
    return [place for digest in _HASH.findall(lock.text) if (place := wheelhouse / digest).is_dir()]


def refusal(finished: Finished, plugin: str) -> PackageIndexUnreachableError | ResolutionImpossibleError:
    """The error for what uv said."""
    if finished.timed_out:
        reason = "it took longer than ISP_PLUGINS_PACKAGE_RESOLVE_TIMEOUT allows"
        return PackageIndexUnreachableError(plugin=plugin, reason=reason)
    reason = in_words(finished.output)
    if kind_of(finished.output) is RefusalKind.UNREACHABLE:
        return PackageIndexUnreachableError(plugin=plugin, reason=reason)
    return ResolutionImpossibleError(plugin=plugin, reason=reason)


def _joined(text: str) -> Iterator[str]:
    """One requirement a line, its hashes behind it, in order."""
    for line in text.replace("\\\n", " ").splitlines():
        pin, *hashes = line.split()
        yield " ".join([pin, *sorted(hashes)]) if " @ " not in line else line


def _is_of(wheel: Path, names: set[str]) -> bool:
    try:
        return name_of(wheel).name in names
    except WheelInvalidError:
        return False
