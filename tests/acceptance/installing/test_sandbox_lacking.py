"""A machine that cannot give all of the sandbox: `best-effort` starts plugins and says so everywhere, `require` refuses and names what is lacking."""

import pytest

from isp_plugin_sdk.sandbox.probe import filters
from support.commands import PATIENT, Serving, run
from support.installing import index, installed, plugin
from support.waiting import until

pytestmark = pytest.mark.skipif(not filters(), reason="no system call can be taken away on this machine")
NO_LANDLOCK = "this kernel has no Landlock (5.13 or newer, built in and switched on)"


class WithoutLandlock(Serving):
    """A server on a kernel without Landlock."""

    module = "support.without_landlock"

    def restart(self, **environment):
        """Start it anew with further settings."""
        self.stop()
        self._environment |= environment
        self.start()


@pytest.fixture
def server(tmp_path):
    settings = PATIENT | {
        "ISP_PLUGINS_PACKAGE_FIND_LINKS": str(index(tmp_path / "links")),
        "ISP_PLUGINS_PACKAGE_OFFLINE": "yes",
    }
    process = WithoutLandlock(tmp_path, (), settings)
    process.start()
    yield process
    process.stop()


@pytest.fixture
def isp(server):
    """Runs a command against the server, as somebody at its machine."""
    return lambda *arguments: run(*arguments, cwd=server.folder)


async def test_best_effort_starts_and_says_so_and_require_refuses_and_names_it(server, isp, tmp_path):
    with server.client() as api:
        plugin_id = installed(api, plugin(tmp_path / "packages", "careful"), auto_enable=True)["id"]
        sandbox = api.get(f"/plugins/{plugin_id}/health").json()["sandbox"]
    assert sandbox["level"] == "partial"
    assert {"layer": "files", "why": NO_LANDLOCK} in sandbox["missing"]
    assert {"network", "system calls", "limits"} <= set(sandbox["holds"])

    shown = isp("health", "careful")
    assert shown.returncode == 0, shown.stderr
    cells = {line.split("  ")[0]: line.split() for line in shown.stdout.splitlines()}
    assert cells["network"] == ["network", "yes"]
    assert cells["files"][:2] == ["files", "no"]
    assert "partial, without" in shown.stdout
    assert "partial" in isp("health").stdout
    logged = isp("logs", "--plugin", "careful", "--level", "WARNING").stdout
    assert "It runs with less than the full sandbox (partial)" in logged
    assert f"files ({NO_LANDLOCK})" in logged
    assert "warning  sandbox: best-effort (not the full set on this kernel)" in isp("doctor").stdout

    server.restart(ISP_PLUGINS_SANDBOX="require")
    causes = []
    with server.client() as api:

        def is_refused():
            """Between two tries of the server, which go on."""
            found = api.get(f"/plugins/{plugin_id}").json()
            causes.append(found["cause"])
            return found["state"] == "failed"

        await until(is_refused, within=60)
    assert "The sandbox is required" in causes[-1]
    assert f"files ({NO_LANDLOCK})" in causes[-1]
    assert "ISP_PLUGINS_SANDBOX=best-effort" in causes[-1]
    doctor = isp("doctor")
    assert doctor.returncode == 4
    assert "problem  sandbox: require (not the full set on this kernel)" in doctor.stdout
