"""The commands of docs/operations.md that are marked to be run, in their order, against a running server."""

import re
import subprocess

import pytest

from support.commands import ROOT, clean_environment, serving
from support.forked import COMMAND
from support.server import ApiServer

pytestmark = pytest.mark.timeout(300)

PAGE = (ROOT / "docs" / "operations.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


def paste(text, process):
    """Run commands as an operator would in the server's folder."""
    return subprocess.run(
        ["bash", "-euc", text],
        cwd=process.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=clean_environment(PATH=f"{COMMAND.parent}:/usr/bin:/bin"),
    )


@pytest.fixture(scope="module")
def transcript(tmp_path_factory):
    """Every block with what became of it, and the folder; a plugin is there whose secret must survive."""
    folder = tmp_path_factory.mktemp("operations")
    with serving(folder) as process:
        server = ApiServer(process)
        plugin = server.plugin(enabled=True)
        secret = {"key": "password", "value": "hush"}
        server.admin.post(f"/plugins/{plugin['id']}/config", json=secret).raise_for_status()
        yield folder, plugin, [(block, paste(block, process)) for block in BLOCKS]
        server.admin.close()


def printed(transcript, command):
    return next(done.stdout for block, done in transcript[2] if command in block)


def test_every_block_works(transcript):
    failed = [(block, done.stdout + done.stderr) for block, done in transcript[2] if done.returncode]
    assert failed == []


def test_backup_says_that_it_lacks_the_key(transcript):
    assert "The keys are not in it" in printed(transcript, "isp-plugins backup")


def test_restore_says_that_all_is_well(transcript):
    said = printed(transcript, "isp-plugins restore")
    assert "The audit trail is intact" in said
    assert "Every secret can be read" in said


def test_restored_server_has_the_plugin(transcript):
    folder, plugin, _ = transcript
    moved = folder / "elsewhere"
    moved.mkdir()
    (folder / "restored").rename(moved / "var")
    with serving(moved, ISP_PLUGINS_PLUGIN_PATH=str(folder / "var")) as process:
        key = subprocess.run(
            [COMMAND, "list", "--json", "--url", process.url, "--api-key", (folder / "var" / "admin.key").read_text().strip()],
            capture_output=True, text=True, timeout=60, check=True, env=clean_environment(),
        )  # fmt: skip
        assert plugin["name"] in key.stdout


def test_usage_names_the_caches(transcript):
    assert "package-cache" in printed(transcript, "packages usage")


def test_every_setting_and_page_that_is_named_exists():
    settings = (ROOT / "docs" / "settings.md").read_text()
    named = set(re.findall(r"ISP_PLUGINS_[A-Z_]*[A-Z]", PAGE))
    assert [name for name in named if name not in settings and f"{name}_" not in settings] == []
    pages = [link for link in re.findall(r"\]\(([^)#]+)", PAGE) if not (ROOT / "docs" / link).exists()]
    assert pages == []
    headings = {
        re.sub(r"[^a-z -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in PAGE.splitlines()
        if line.startswith("#")
    }
    assert [anchor for anchor in re.findall(r"\]\(#([^)]+)\)", PAGE) if anchor not in headings] == []
