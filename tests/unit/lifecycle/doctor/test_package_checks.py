"""What the doctor says of an installed plugin's files."""

from pathlib import Path

from isp_plugins.lifecycle.doctor.package_checks import check_package
from isp_plugins.lifecycle.doctor.plugin_facts import PackageFacts


def facts(**changes):
    values = {
        "artifact": Path("/data/artifacts/aa"),
        "has_artifact": True,
        "environment": Path("/data/environments/bb"),
        "has_environment": True,
    }
    return PackageFacts(**values | changes)


def test_everything_there_is_fine():
    assert [(it.check, it.status.value) for it in check_package(facts(), "sample")] == [
        ("artifact", "ok"),
        ("environment", "ok"),
    ]


def test_missing_environment_is_named_with_the_next_step():
    _, found = check_package(facts(has_environment=False), "sample")
    assert found.status.value == "problem"
    assert "/data/environments/bb" in found.found
    assert "isp-plugins uninstall sample" in found.next_step


def test_command_is_shown():
    *_, found = check_package(facts(command=("node", "main.js")), "sample")
    assert "node main.js" in found.found
