"""Mistakes of whoever types: the command says what it wanted, with its exit code, and changes nothing."""

import pytest

from support.commands import run, serving


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (("--port", "99999"), {}, "expected at most 65535, got 99999"),
        ((), {"ISP_PLUGINS_PORT": "abc"}, "expected a whole number, got 'abc'"),
        (("--port", "0"), {"ISP_PLUGINS_SECRET_KEYS": "abc"}, "ISP_PLUGINS_SECRET_KEYS"),
    ],
)
def test_wrong_setting_is_told_once_and_without_traceback(tmp_path, arguments, environment, words):
    done = run("serve", *arguments, cwd=tmp_path, **environment)
    assert (done.returncode, done.stderr.count(words), "Traceback" in done.stderr) == (1, 1, False)


OFFLINE = [("audit", "verify"), ("keys", "create", "x"), ("secrets", "rotate")]


@pytest.mark.parametrize("command", OFFLINE)
def test_offline_command_makes_no_data_directory(tmp_path, command):
    done = run(*command, "--offline", "--data-dir", "nowhere", cwd=tmp_path)
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])
    assert "No data directory there: looked for a folder nowhere" in done.stderr


def test_offline_command_makes_no_database(tmp_path):
    (tmp_path / "var").mkdir()
    done = run("audit", "verify", "--offline", cwd=tmp_path)
    assert (done.returncode, list((tmp_path / "var").iterdir())) == (1, [])
    assert "isp-plugins.db" in done.stderr


def test_key_that_cannot_travel_is_a_wrong_command_line(tmp_path):
    done = run("list", "--api-key", "é", cwd=tmp_path)
    assert (done.returncode, "a key looks like isp_" in done.stderr) == (2, True)


def test_url_without_scheme_is_a_wrong_command_line(tmp_path):
    done = run("list", "--url", "foo", cwd=tmp_path)
    assert (done.returncode, "http://127.0.0.1:8080" in done.stderr) == (2, True)


def test_recovered_admin_key_says_that_the_file_holds_it(tmp_path):
    with serving(tmp_path):
        pass
    done = run("keys", "create", "rescue", "--role", "admin", "--offline", cwd=tmp_path)
    assert "var/admin.key holds this token now" in done.stdout
    assert (tmp_path / "var" / "admin.key").read_text().strip() in done.stdout
