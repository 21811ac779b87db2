"""The SDK as a wheel, packed from the SDK that this host runs, so that every plugin's environment gets exactly that one.

1. It works from an installed distribution as from an editable workspace: the files are taken from where they are imported from.
2. The bytes follow from the files alone, so that every host of one version makes the same wheel (see `wheel_writer`).
"""

import hashlib
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import isp_plugin_sdk
from isp_plugins.packages.moving import rename_into_place
from isp_plugins.packages.wheel_writer import About, Content, write_wheel

DISTRIBUTION = "isp-plugin-sdk"
_ALIAS = "app/services/plugin_service.py"
"""The specification's import path; it lies beside the SDK, in a namespace package without `__init__.py`."""


@dataclass(frozen=True, slots=True)
class SdkWheel:
    """The SDK's wheel in its place."""

    path: Path
    digest: str
    version: str


def pack_sdk(folder: Path) -> SdkWheel:
    """The wheel, at `<folder>/<sha256>/`; written where it is not there yet."""
    version = metadata.version(DISTRIBUTION)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as temporary:
        place = Path(temporary) / "wheel"
        place.mkdir()
        about = About(DISTRIBUTION, version, requires_python=">=3.11", summary="The SDK of this plugin host")
        wheel = write_wheel(place, about, _files())
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        rename_into_place(place, folder / digest)
    return SdkWheel(folder / digest / wheel.name, digest, version)


def kept_sdk(folder: Path, digest: str) -> Path | None:
    """A wheel that was packed before; None where it is not there."""
    return next(iter(sorted((folder / digest).glob("*.whl"))), None)


def _files() -> dict[str, Content]:
    package = Path(isp_plugin_sdk.__path__[0])
    root = package.parent
    chosen = [path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    chosen.append(root / _ALIAS)
    return {path.relative_to(root).as_posix(): Content(path.read_bytes()) for path in chosen}
