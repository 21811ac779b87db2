"""`isp-plugins sandbox learn`: the grants that a plugin's own tests needed."""

import tomllib

from support.commands import run

TESTS = """
import contextlib, socket, subprocess
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
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            with contextlib.suppress(OSError):  # a machine without a route
                sender.sendto(b"x", ("192.0.2.1", 161))
        self.context.emit("rates_read", {})
        self.context.dispatch("invoice_created", {})
        return bool(self.config["api_key"] and self.config.get("open"))


def test_work():
    config = {"api_key": "a", "unread": "b", "open": "c"}
    secret = {"type": "string", "encrypted": True}
    schema = {"api_key": secret, "unread": secret, "open": {"type": "string"}}
    with PluginHarness(Plugin, config, schema=schema) as harness:
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
        "network": ["mail.invalid:587", "udp:192.0.2.1:161"],
        "files": {"read": [str(outside / "rates.csv")]},
        "host_calls": ["dispatch:invoice_created", "emit:rates_read", "storage"],
        "secrets": ["api_key"],
        "processes": True,
    }
    told = done.stdout.splitlines()
    written = told.index("Wrote grants.toml: the tests needed")
    assert "  secrets: api_key (is handed this secret)" in told[written:]
    assert told[-1].startswith("Next: look it over, put it in the place of [grants] in plugin.toml")


def test_failing_tests_are_told_and_the_code_says_so(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it(): assert False\n")
    done = run("sandbox", "learn", "--", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "[grants]" in done.stdout
    assert "ended with code 1" in done.stderr


def test_manifest_is_not_overwritten_and_nothing_is_run(tmp_path):
    (tmp_path / "plugin.toml").write_text('name = "sample"\n')
    done = run("sandbox", "learn", "--write", "plugin.toml", "--", "no_such_module", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "plugin.toml would be overwritten. Nothing was run" in done.stderr
    assert (tmp_path / "plugin.toml").read_text() == 'name = "sample"\n'
