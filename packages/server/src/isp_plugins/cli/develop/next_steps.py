"""What to do with a new plugin: read off its files, so that it fits templates of whatever make."""

import json
import re
import shlex
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

REGISTRATION = "plugin.json"
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
"""A name that is safe as a folder and in a shell, whoever made it up."""


def registration_of(files: Mapping[str, str]) -> dict[str, Any]:
    """The registration among the files; empty where there is none that can be read."""
    try:
        body = json.loads(files.get(REGISTRATION, ""))
    except ValueError:
        return {}
    return body if isinstance(body, dict) and is_plain(body.get("name")) else {}


def is_plain(name: Any) -> bool:
    """Whether a name can be that of a folder."""
    return isinstance(name, str) and _PLAIN.fullmatch(name) is not None


def next_steps(
    files: Mapping[str, str], place: Path, data_dir: Path, *, sdk: Path | None = None
) -> list[str]:
    """The commands that come next: test (with the SDK of the folder that is given), put onto the plugin path, register, configure, enable."""
    body = registration_of(files)
    from_folder = f"ISP_PLUGIN_SDK={quoted(sdk)} " if sdk is not None else ""
    steps = [f"{from_folder}sh {quoted(place / 'test.sh')}"] if "test.sh" in files else []
    if not body:
        return steps
    package, folder = _package_of(body), data_dir / "plugins"
    if f"{package}/__init__.py" in files:
        steps.append(f"mkdir -p {quoted(folder)} && cp -r {quoted(place / package)} {quoted(folder)}/")
    steps.append(f"isp-plugins register @{quoted(place / REGISTRATION)}")
    if required := _required_of(body):
        steps.append(
            f"isp-plugins config set {body['name']} {' '.join(shlex.quote(f'{key}=...') for key in required)}"
        )
    steps.append(f"isp-plugins enable {body['name']}")
    return steps


def sdk_folder() -> Path | None:
    """The folder in a clone that this installation's SDK was installed from; None where it came from a package index."""
    try:
        told = json.loads(metadata.distribution("isp-plugin-sdk").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return None
    url = urlsplit(str(told.get("url", "")))
    folder = Path(unquote(url.path))
    return folder if url.scheme == "file" and folder.is_dir() else None


def _package_of(body: Mapping[str, Any]) -> str:
    """The folder that the module path leads to."""
    return str(body.get("module_path", "")).rpartition(".")[2].replace("/", "")


def _required_of(body: Mapping[str, Any]) -> list[str]:
    """The settings without which the plugin cannot be enabled."""
    schema = body.get("config_schema")
    if not isinstance(schema, dict):
        return []
    if isinstance(schema.get("required"), list):
        return [str(key) for key in schema["required"]]
    return [key for key, field in schema.items() if isinstance(field, dict) and field.get("required") is True]


def quoted(path: Path) -> str:
    """A path as a shell takes it."""
    return shlex.quote(str(path))
