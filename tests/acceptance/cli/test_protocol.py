"""`isp-plugins protocol test`: a table and an exit code for people and scripts, JSON for programs."""

import json
import sys

from support.commands import ROOT, run

WORKER = (sys.executable, ROOT / "tests" / "support" / "protocol_worker.py")
PATIENT = ("--handshake-timeout", "60", "--timeout", "60")


def try_checks(tmp_path, *names, fault=(), options=()):
    checks = [word for name in names for word in ("--check", name)]
    return run("protocol", "test", *PATIENT, *checks, *options, "--", *WORKER, *fault, cwd=tmp_path)


def test_worker_that_keeps_the_rules_ends_with_code_0(tmp_path):
    done = try_checks(tmp_path, "handshake", "ping", options=("--socket",))
    assert (done.returncode, done.stderr) == (0, "")
    assert "support keeps the rules that were tried" in done.stdout
    assert "over socket: 2 passed." in done.stdout


def test_worker_that_breaks_a_rule_ends_with_code_4_and_says_which(tmp_path):
    done = try_checks(tmp_path, "ping", "info", fault=("info",))
    assert done.returncode == 4
    assert (
        'expected: a result of info in its documented shape\n  got: result of info: "a plugin"' in done.stdout
    )
    assert "support does not speak version 1 of the protocol over stdio: 1 passed, 1 failed." in done.stdout


def test_json_is_the_whole_report(tmp_path):
    done = try_checks(tmp_path, "info", fault=("info",), options=("--json",))
    report = json.loads(done.stdout)
    assert (done.returncode, report["conforms"], report["summary"]["failed"]) == (4, False, 1)
    assert {"name", "rule", "verdict", "expected", "got", "log"} == set(report["checks"][0])


def test_configuration_is_handed_over(tmp_path):
    done = try_checks(tmp_path, "configure-can-be-refused", options=("--config", '{"a": 1}'))
    assert done.returncode == 0


def test_checks_are_listed_without_a_command(tmp_path):
    done = run("protocol", "test", "--list", cwd=tmp_path)
    assert (done.returncode, "reentrance-at-the-limit" in done.stdout) == (0, True)


def test_wrong_command_line_ends_with_code_2_and_says_what_was_expected(tmp_path):
    for arguments, words in (
        ((), "No command: expected one behind --"),
        (("--", "/nowhere/at/all"), "cannot be started: No such file or directory"),
        (("--check", "nothing", "--", "true"), "There is no check 'nothing'"),
        (("--config", "[]", "--", "true"), "expected an object"),
    ):
        done = run("protocol", "test", *arguments, cwd=tmp_path)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
