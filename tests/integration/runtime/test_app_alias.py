"""The specification's import path works in every host, whatever the host itself calls `app`."""

import subprocess
import sys
import textwrap

import pytest

from isp_plugin_sdk import __all__ as sdk_names
from isp_plugins.runtime.in_process import app_alias

RUN = """
    import asyncio, sys
    from pathlib import Path
    sys.path[:0] = [{host!r}, {tests!r}]
    {before}
    from support.runtime import PluginFolder

    async def main():
        folder = PluginFolder(Path({folder!r}))
        plugin = await folder.started("def ask(self):\\n    return 'fine'", head={head!r})
        print(await plugin.execute("ask", None, 5))
        await plugin.stop()

    asyncio.run(main())
    {after}
"""
HOST = {
    "package": {
        "app/__init__.py": "name = 'host'",
        "app/services/__init__.py": "",
        "app/services/billing.py": "name = 'billing'",
    },
    "package without services": {"app/__init__.py": "name = 'host'"},
    "namespace": {"app/services/billing.py": "name = 'billing'"},
    "module": {"app.py": "name = 'host'"},
    "nothing": {},
}


@pytest.fixture
def run(tmp_path, pytestconfig):
    """Starts a plugin in a fresh interpreter whose first folder on sys.path is the host's."""

    def start(files, *, head="", before="", after=""):
        for path, text in files.items():
            file = tmp_path / "host" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        values = {
            "host": str(tmp_path / "host"),
            "tests": str(pytestconfig.rootpath / "tests"),
            "folder": str(tmp_path / "plugin_path"),
        }
        source = textwrap.dedent(RUN).format(**values, head=head, before=before, after=after)
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", source],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return start


@pytest.mark.parametrize("host", HOST)
def test_contract_import_works_beside_any_host(run, host):
    result = run(HOST[host])
    assert (result.stdout, result.stderr) == ("fine\n", "")


def test_hosts_own_modules_stay_what_they_are(run):
    after = "import app, app.services.billing\n    print(app.name, app.services.billing.name)".replace(
        "\n    ", "\n"
    )
    result = run(HOST["package"], before="import app.services.billing", after=after)
    assert (result.stdout, result.stderr) == ("fine\nhost billing\n", "")


def test_host_that_answers_the_contract_itself_is_asked(run):
    files = {
        **HOST["package"],
        "app/services/plugin_service.py": "from isp_plugin_sdk import PluginInterface\nprint('host answers')",
    }
    assert run(files).stdout == "host answers\nfine\n"


@pytest.mark.parametrize(
    "statement",
    ["from app.services import plugin_service", "from app.services.plugin_service import Reject, action"],
)
@pytest.mark.parametrize("host", ["package", "module"])
def test_every_form_of_the_import_works(run, host, statement):
    assert run(HOST[host], head=statement + "\n").stdout == "fine\n"


def test_stand_in_has_the_names_of_the_module_that_the_sdk_ships():
    from app.services import plugin_service

    stand_in = app_alias.stand_in(app_alias.CONTRACT)
    assert sorted(stand_in.__all__) == sorted(plugin_service.__all__) == sorted(sdk_names)
    assert all(getattr(stand_in, name) is getattr(plugin_service, name) for name in sdk_names)


def test_stand_in_is_given_for_the_contract_only():
    assert app_alias.stand_in("app.services.other") is None
