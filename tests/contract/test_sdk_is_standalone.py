"""The SDK needs nothing but the standard library."""

import ast
import subprocess
import sys
from pathlib import Path

import isp_plugin_sdk

SOURCE = Path(isp_plugin_sdk.__file__).parents[1]
OWN = {"isp_plugin_sdk", "app"}


def imported_names(file: Path) -> set[str]:
    """The top-level names that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import hides where it leads"
            names.add((node.module or "").partition(".")[0])
    return names


def test_sdk_imports_only_the_standard_library() -> None:
    files = [file for package in OWN for file in (SOURCE / package).rglob("*.py")]
    assert len(files) > 20
    foreign = {
        str(file.relative_to(SOURCE)): imported_names(file) - OWN - sys.stdlib_module_names for file in files
    }
    assert {file: names for file, names in foreign.items() if names} == {}


def test_sdk_works_with_nothing_but_its_own_path() -> None:
    program = (
        f"import sys; sys.path.append({str(SOURCE)!r})\n"
        "import isp_plugin_sdk.payloads, isp_plugin_sdk.schema\n"
        "from isp_plugin_sdk.testing import PluginHarness\n"
        "from app.services.plugin_service import PluginInterface\n"
        "with PluginHarness(PluginInterface) as harness: print(harness.health()['status'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("healthy\n", "", 0)


def test_no_package_stands_above_the_contract_module() -> None:
    assert not list((SOURCE / "app").rglob("__init__.py"))
