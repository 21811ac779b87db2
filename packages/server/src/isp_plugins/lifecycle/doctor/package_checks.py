"""Whether what an installed plugin consists of is on this machine. Pure functions over facts."""

from collections.abc import Iterator
from pathlib import Path

from isp_plugins.lifecycle.doctor.findings import Finding, ok, problem
from isp_plugins.lifecycle.doctor.plugin_facts import PackageFacts


def check_package(facts: PackageFacts, name: str) -> Iterator[Finding]:
    """Its artifact, its environment, and how it is started where it is no Python plugin."""
    yield _there("artifact", facts.artifact, name, there=facts.has_artifact)
    yield _there("environment", facts.environment, name, there=facts.has_environment)
    if facts.command:
        yield ok("command", f"it is started by {' '.join(facts.command)}")


def _there(what: str, folder: Path, name: str, *, there: bool) -> Finding:
    if there:
        return ok(what, str(folder))
    return problem(
        what,
        f"{folder} is not there",
        expected=f"the {what} that the installation left in the data directory",
        next_step=f"isp-plugins reload {name} (or enable) brings it back, if there is a depot or only the environment is missing; else "
        f"isp-plugins uninstall {name} --keep configuration,storage, then install it again",
    )
