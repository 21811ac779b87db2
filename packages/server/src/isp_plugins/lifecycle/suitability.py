"""Which plugins would not load on another version of the host, and why. Pure functions over values.

1. A manifest's own requirements come first: of the host, and of Python where its version is given.
2. A worker in Python runs on the SDK and the Python of its own environment. A host serves the SDKs of its own major version and of the one
   before, and of none that is newer; an environment that was made for another Python has to be made anew.
3. A plugin without which another cannot run takes that one with it, directly or through others; an optional one takes nobody.
4. Every obstacle is told, not only the first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from packaging.version import InvalidVersion, Version

from isp_plugin_sdk.manifest import Manifest
from isp_plugins.lifecycle.dependencies import Dependency, DependencyKind, fits, order, python_version_of
from isp_plugins.lifecycle.errors import TargetVersionInvalidError
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.releases import Foundations

PYTHONS = frozenset({"python", "python3"})
"""First words of a command that are the environment's own interpreter."""
MAJORS_BACK = 1


class Obstacle(StrEnum):
    """What keeps a plugin from loading."""

    HOST = "host"
    """Its manifest requires another version of the host."""
    PYTHON = "python"
    """Its manifest requires another version of Python."""
    ENVIRONMENT = "environment"
    """Its environment was made for another Python."""
    SDK = "sdk"
    """Its environment holds an SDK that the host does not serve."""
    PLUGIN = "plugin"
    """A plugin that it requires is not there, of another version, or would not load either."""
    PYTHON_PACKAGE = "python_package"
    """A Python package that it requires of the host's environment is not there, or of another version."""


@dataclass(frozen=True, slots=True)
class Target:
    """What plugins are held against."""

    host: Version
    python: Version | None = None
    """None: it stays as it is, and is not looked at."""

    @classmethod
    def of(cls, host: str, python: str | None = None) -> "Target":
        """The versions of texts; `TargetVersionInvalidError`."""
        given = _version("The host's version", host, "1.4.0")
        return cls(given, _version("The version of Python", python, "3.12") if python is not None else None)


@dataclass(frozen=True, slots=True)
class Reason:
    """One obstacle: what is there, what was expected, and what to do."""

    kind: Obstacle
    found: str
    expected: str
    next_step: str

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "kind": self.kind.value,
            "found": self.found,
            "expected": self.expected,
            "next_step": self.next_step,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one plugin would load."""

    record: PluginRecord
    reasons: tuple[Reason, ...]

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "plugin_id": self.record.id,
            "name": self.record.name,
            "version": self.record.version,
            "desired": self.record.desired.value,
            "is_installed": self.record.release is not None,
            "would_load": not self.reasons,
            "reasons": [reason.to_dict() for reason in self.reasons],
        }


@dataclass(frozen=True, slots=True)
class SuitabilityReport:
    """Every plugin's verdict, those that would not load first."""

    target: Target
    present: str
    """The host's version now."""
    verdicts: tuple[Verdict, ...]

    def only(self, allows: Callable[[str], bool]) -> "SuitabilityReport":
        """The same for somebody who may see some plugins alone."""
        return replace(self, verdicts=tuple(one for one in self.verdicts if allows(one.record.name)))

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "against": str(self.target.host),
            "python": str(self.target.python) if self.target.python else None,
            "present": self.present,
            "would_all_load": not any(one.reasons for one in self.verdicts),
            "checked": len(self.verdicts),
            "items": [one.to_dict() for one in self.verdicts],
        }


def judge(
    records: Sequence[PluginRecord],
    foundations: Mapping[int, Foundations],
    target: Target,
    python_versions: Callable[[str], str | None] = python_version_of,
) -> tuple[Verdict, ...]:
    """Every plugin's verdict; `foundations` of the installed ones, by release."""
    peers = {record.name: record for record in records}
    found: dict[str, list[Reason]] = {}
    for name in order({record.name: record.required for record in records}).names:
        record = peers[name]
        base = foundations.get(record.release.id) if record.release else None
        found[name] = [
            *_own(record, base, target),
            *_needs(record, peers, found, target, python_versions),
        ]
    verdicts = (Verdict(record, tuple(found[record.name])) for record in records)
    return tuple(sorted(verdicts, key=lambda one: (not one.reasons, one.record.name)))


def host_mistake(manifest: Manifest, host: str) -> str | None:
    """What the manifest requires of the host, where this version does not meet it."""
    return None if fits(host, manifest.requires.host) else manifest.requires.host


def _own(record: PluginRecord, base: Foundations | None, target: Target) -> list[Reason]:
    """What stands against the plugin itself."""
    if record.release is None:
        return []
    manifest = Manifest.of(record.release.manifest)
    reasons = _required(manifest, target)
    if base is not None and _runs_in_environment(manifest):
        reasons += _of_environment(record, base, target)
    return reasons


def _required(manifest: Manifest, target: Target) -> list[Reason]:
    pairs = [(Obstacle.HOST, "isp-plugins", target.host, manifest.requires.host)]
    if target.python is not None:
        pairs.append((Obstacle.PYTHON, "Python", target.python, manifest.requires.python))
    step = f"isp-plugins upgrade {manifest.name} SOURCE, with a version that allows it"
    return [
        Reason(kind, f"{what} {version}", f"{what} {wanted}, as its manifest requires", step)
        for kind, what, version, wanted in pairs
        if not fits(str(version), wanted)
    ]


def _runs_in_environment(manifest: Manifest) -> bool:
    """Whether it is started by its environment's Python; any other command brings along what it needs."""
    return manifest.command is None or manifest.command[0] in PYTHONS


def _of_environment(record: PluginRecord, base: Foundations, target: Target) -> list[Reason]:
    reasons = []
    python = target.python
    if python is not None and base.python != (wanted := f"{python.major}.{python.minor}"):
        again = f"isp-plugins uninstall {record.name} --keep configuration,storage, then install it again after the upgrade"
        found = f"an environment for Python {base.python or 'of an unknown version'}"
        reasons.append(Reason(Obstacle.ENVIRONMENT, found, f"one for Python {wanted}", again))
    if not _is_served(base.sdk, target.host):
        step = (
            f"isp-plugins upgrade {record.name} SOURCE, with a new version, which gets the present host's SDK"
        )
        found = f"isp-plugin-sdk {base.sdk or 'of an unknown version'} in its environment"
        reasons.append(Reason(Obstacle.SDK, found, _served(target.host), step))
    return reasons


def _is_served(sdk: str | None, host: Version) -> bool:
    try:
        major = Version(sdk or "").major
    except InvalidVersion:
        return False
    return host.major - MAJORS_BACK <= major <= host.major


def _served(host: Version) -> str:
    oldest = max(0, host.major - MAJORS_BACK)
    majors = f"{host.major}" if oldest == host.major else f"{oldest} or {host.major}"
    return f"isp-plugin-sdk of major version {majors}"


def _needs(
    record: PluginRecord,
    peers: Mapping[str, PluginRecord],
    found: Mapping[str, Sequence[Reason]],
    target: Target,
    python_versions: Callable[[str], str | None],
) -> list[Reason]:
    """What stands against what it requires; members of a circle are judged by what is known of the others until then."""
    reasons = []
    for need in record.needs:
        if need.optional:
            continue
        if need.kind is DependencyKind.PYTHON:
            reasons += _of_package(need, python_versions(need.name))
        else:
            reasons += _of_plugin(need, peers.get(need.name), found, target)
    return reasons


def _of_plugin(
    need: Dependency, peer: PluginRecord | None, found: Mapping[str, Sequence[Reason]], target: Target
) -> list[Reason]:
    wanted = f"plugin {need.name} {need.specifier}".strip()
    if peer is None:
        step = f"install or register {need.name}"
        return [Reason(Obstacle.PLUGIN, "no such plugin", wanted, step)]
    if not fits(peer.version, need.specifier):
        step = f"isp-plugins upgrade {need.name} SOURCE, with a version that fits"
        return [Reason(Obstacle.PLUGIN, f"version {peer.version}", wanted, step)]
    if found.get(need.name):
        told = f"{need.name} {peer.version}, which would not load on isp-plugins {target.host}"
        return [Reason(Obstacle.PLUGIN, told, wanted, f"mend what is told of {need.name}")]
    return []


def _of_package(need: Dependency, version: str | None) -> list[Reason]:
    if version is not None and fits(version, need.specifier):
        return []
    wanted = f"Python package {need.name} {need.specifier}".strip()
    step = "install it into the host's environment"
    return [Reason(Obstacle.PYTHON_PACKAGE, version or "no such package", wanted, step)]


def _version(what: str, text: str, example: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise TargetVersionInvalidError(what=what, example=example, given=repr(text[:80])) from None
