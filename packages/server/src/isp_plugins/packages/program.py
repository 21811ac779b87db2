"""The command line of a plugin's worker: pure, from its manifest and where its files lie."""

from dataclasses import fields

from isp_plugin_sdk.manifest import Manifest
from isp_plugins.contracts.worker import WorkerLimits, WorkerProgram
from isp_plugins.packages.values import Artifact, Environment

_PYTHONS = frozenset({"python", "python3"})


def program(
    manifest: Manifest, artifact: Artifact, environment: Environment, limits: WorkerLimits
) -> WorkerProgram:
    """How the worker is started."""
    held = _smaller(manifest, limits)
    if manifest.command is None:
        served = f"{manifest.module_path}:{manifest.class_name}"
        argv = (
            str(environment.python),
            "-I",
            "-m",
            "isp_plugin_sdk.serve",
            "--path",
            str(artifact.code),
            served,
        )
        return WorkerProgram(argv, artifact.code, version=manifest.version, limits=held)
    folder = artifact.code / manifest.name.replace("-", "_")
    first, *rest = manifest.command
    if first in _PYTHONS:
        first = str(environment.python)
    elif "/" in first and not first.startswith("/"):
        first = str(folder / first)
    return WorkerProgram(
        (first, *rest), folder, speaks_over_stdio=True, version=manifest.version, limits=held
    )


def _smaller(manifest: Manifest, caps: WorkerLimits) -> WorkerLimits:
    """Of the plugin's own limit and the operator's cap the smaller one."""
    pairs = {
        field.name: [
            each
            for each in (getattr(manifest.limits, field.name), getattr(caps, field.name))
            if each is not None
        ]
        for field in fields(WorkerLimits)
    }
    return WorkerLimits(**{name: min(values, default=None) for name, values in pairs.items()})
