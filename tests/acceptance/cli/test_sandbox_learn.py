"""`isp-plugins sandbox learn`: the grants that a plugin's own tests needed."""

import tomllib

from support.commands import run

TESTS = """
import socket, subprocess
import pytest
from app.services.plugin_service import PluginInterface
from isp_plugin_sdk.testing import PluginHarness


class Plugin(PluginInterface):
    def work(self, folder):
        open(folder + "/rates.csv").read()
        self.context.set("key", 1)
        subprocess.run(["true"], check=True)
        with pytest.raises(OSError):
            socket.create_connection(("mail.invalid", 587), 1)
        return True


def test_work():
    with PluginHarness(Plugin) as harness:
        assert harness.plugin.work({folder!r})
"""


def test_tests_are_run_and_the_smallest_grants_told(tmp_path_factory, monkeypatch):
    project, outside = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("outside")
    (outside / "rates.csv").write_text("x")
    (project / "tmp").mkdir()
    (project / "test_it.py").write_text(TESTS.replace("{folder!r}", repr(str(outside))))
    done = run(
        "sandbox", "learn", "--write", "grants.toml", "--", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py", cwd=project,
        TMPDIR=str(project / "tmp"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    grants = tomllib.loads((project / "grants.toml").read_text())["grants"]
    assert grants == {
        "network": ["mail.invalid:587"],
        "files": {"read": [str(outside / "rates.csv")]},
        "host_calls": ["storage"],
        "processes": True,
    }


def test_failing_tests_are_told_and_the_code_says_so(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it(): assert False\n")
    done = run("sandbox", "learn", "--", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "[grants]" in done.stdout
    assert "ended with code 1" in done.stderr
