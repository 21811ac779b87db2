"""`isp-plugins new` and `templates`: a plugin in one command, nothing overwritten, nothing left half made."""

import json
import os
import pty
import select
import time
import zipfile

import pytest

from support.commands import clean_environment, run
from support.forked import Forked

TEMPLATE = {
    "description": "Ours",
    "plugin_type": "CUSTOM",
    "variables": [
        {"name": "name", "description": "Its name"},
        {"name": "greeting", "default": "hello {{ name }}"},
    ],
}


@pytest.fixture
def command(server, tmp_path):
    """Run a command in a folder of its own, against the server."""

    def go(*arguments):
        return run(
            *arguments, cwd=tmp_path, ISP_PLUGINS_URL=server.url, ISP_PLUGINS_API_KEY=server.process.admin_key
        )

    return go


def files_in(folder):
    """Every file below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_new_makes_a_plugin_and_says_what_comes_next(tmp_path):
    done = run("new", "payment_gateway", "acme_pay", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "isp-plugins register @acme_pay/plugin.json" in done.stdout
    assert "api_url=..." in done.stdout
    assert json.loads((tmp_path / "acme_pay/plugin.json").read_text())["name"] == "acme_pay"
    assert os.access(tmp_path / "acme_pay/test.sh", os.X_OK)


def test_new_takes_variables_and_tells_programs_what_it_made(tmp_path):
    done = run("new", "action", "--json", "--var", "name=acme", "--var", "hook=device_created", cwd=tmp_path)
    made = json.loads(done.stdout)
    assert made["path"] == "acme"
    assert made["files"] == files_in(tmp_path / "acme")
    assert (
        json.loads((tmp_path / "acme/plugin.json").read_text())["hooks"][0]["hook_name"] == "device_created"
    )


def test_new_never_overwrites_and_names_what_is_in_the_way(tmp_path):
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme/precious.txt").write_text("mine")
    done = run("new", "action", "acme", cwd=tmp_path)
    assert done.returncode == 1
    assert "precious.txt" in done.stderr
    assert files_in(tmp_path) == ["acme/precious.txt"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_new_does_not_go_through_a_file_or_a_link(tmp_path, kind):
    (tmp_path / "elsewhere").mkdir()
    if kind == "link":
        (tmp_path / "acme").symlink_to(tmp_path / "elsewhere")
    else:
        (tmp_path / "acme").write_text("mine")
    assert run("new", "action", "acme", cwd=tmp_path).returncode == 1
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_new_fills_an_empty_folder(tmp_path):
    (tmp_path / "acme").mkdir()
    assert run("new", "action", "acme", cwd=tmp_path).returncode == 0


def test_bad_variables_are_told_together_and_leave_nothing(tmp_path):
    done = run(
        "new", "action", "acme", "--var", "version=1", "--var", "hok=x", "--var", "class_name=1", cwd=tmp_path
    )
    assert done.returncode == 1
    for word in ("version", "hok", "class_name", "did you mean 'hook'"):
        assert word in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_new_makes_a_zip_and_does_not_overwrite_it(tmp_path):
    assert run("new", "event", "--zip", "acme.zip", cwd=tmp_path).returncode == 0
    assert "acme/plugin.json" in zipfile.ZipFile(tmp_path / "acme.zip").namelist()
    before = (tmp_path / "acme.zip").read_bytes()
    assert run("new", "event", "--zip", "acme.zip", cwd=tmp_path).returncode == 1
    assert (tmp_path / "acme.zip").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["acme.zip"]


def test_without_a_template_the_names_are_listed(tmp_path):
    done = run("new", cwd=tmp_path)
    assert done.returncode == 2
    assert "network_poller" in done.stderr


def test_unknown_template_is_told_with_the_way_to_others(tmp_path):
    done = run("new", "nope", cwd=tmp_path)
    assert done.returncode == 2
    assert "--from-server" in done.stderr


def test_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("new", "action", "file/acme", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_operators_template_is_made_from_a_folder_and_used_from_the_server(command, tmp_path):
    (tmp_path / "skeleton/{{ name }}").mkdir(parents=True)
    (tmp_path / "skeleton/{{ name }}/hello.txt").write_text("{{ greeting }}\n")
    body = json.dumps(TEMPLATE | {"name": "ours"})
    assert command("templates", "create", body, "--files", "skeleton").returncode == 0
    done = command("new", "ours", "made", "--from-server", "--var", "name=acme")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made/acme/hello.txt").read_text() == "hello acme\n"
    assert "ours" in command("templates", "list", "--origin", "own").stdout
    assert "greeting" in command("templates", "show", "ours").stdout
    assert command("templates", "show", "ours", "--file", "{{ name }}/hello.txt").stdout == "{{ greeting }}\n"
    assert command("templates", "update", "ours", '{"description": "Better"}').returncode == 0
    assert command("templates", "delete", "ours", "--yes").returncode == 0
    assert command("templates", "show", "ours").returncode == 1


def test_missing_variables_of_a_servers_template_are_listed(command):
    body = json.dumps(TEMPLATE | {"name": "missing", "files": {"a": "{{ greeting }}"}})
    assert command("templates", "create", body).returncode == 0
    done = command("new", "missing", "--from-server")
    assert done.returncode == 2
    assert "--var name=..." in done.stderr


def test_bad_template_is_refused_with_its_mistakes(command):
    body = json.dumps(TEMPLATE | {"name": "bad", "files": {"a": "{{ nobody }}"}})
    done = command("templates", "create", body)
    assert done.returncode == 1
    assert "nobody" in done.stderr


def test_empty_list_says_what_to_do(command):
    assert "isp-plugins templates list" in command("templates", "list", "--search", "nothing like it").stdout


def test_new_asks_on_a_terminal_and_asks_again_after_a_mistake(tmp_path):
    answers = ["action", "class", "acme", "", "Does things", "", "", "", "customer_updated"]
    output = on_terminal(["new"], answers, cwd=tmp_path)
    assert "word of the Python language" in output
    body = json.loads((tmp_path / "acme/plugin.json").read_text())
    assert body["description"] == "Does things"
    assert body["entry_point"] == "AcmePlugin"
    assert body["hooks"][0]["hook_name"] == "customer_updated"


def on_terminal(arguments, answers, *, cwd):
    """Run a command on a terminal, type an answer at each prompt, and return what was shown."""
    ours, theirs = pty.openpty()
    process = Forked(
        "isp_plugins",
        *arguments,
        cwd=cwd,
        env=clean_environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown, seen, left = "", 0, list(answers)
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    shown += os.read(ours, 65_536).decode()
                except OSError:
                    break
            if left and len(shown) > seen and shown.endswith(": "):
                os.write(ours, (left.pop(0) + "\n").encode())
                seen = len(shown)
        assert process.wait(timeout=60) == 0, shown
        return shown
    finally:
        process.kill()
        process.wait()
        os.close(ours)
