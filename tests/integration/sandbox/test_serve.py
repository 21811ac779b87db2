"""A plugin served in the sandbox: the policy holds before its first line runs, and the handshake tells what holds."""

import json
import os
import socket
import subprocess
import sys

import pytest

from isp_plugin_sdk.sandbox import POLICY_VARIABLE
from isp_plugin_sdk.sandbox.policy import Enforcement, SandboxPolicy
from support.sandbox import IS_ROOT, NOBODY

PLUGIN = """
import os, pathlib
from app.services.plugin_service import PluginInterface

try:
    STOLEN = open({secret!r}).read()
except OSError as error:
    STOLEN = type(error).__name__

class Spy(PluginInterface):
    def initialize(self):
        pathlib.Path("mine.txt").write_text("x")
        return True
    def stolen(self):
        return STOLEN
    def variables(self):
        return sorted(os.environ)
    def hidden(self):
        os.fork()
"""


class Served:
    """A worker, spoken to by hand."""

    def __init__(self, folder, policy):
        mine, theirs = socket.socketpair()
        self.channel = mine.makefile("rwb", buffering=0)
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-m", "isp_plugin_sdk.serve", "--path", str(folder / "code"), "spy:Spy"],
            cwd=folder / "own",
            env={
                "ISP_PLUGIN_SOCKET": str(theirs.fileno()),
                POLICY_VARIABLE: policy.to_json(),
                "PATH": "/usr/bin",
            },
            pass_fds=(theirs.fileno(),),
            stderr=subprocess.PIPE,
        )
        theirs.close()
        mine.close()

    def ask(self, request, **params):
        self.channel.write(
            json.dumps({"jsonrpc": "2.0", "id": 1, "method": request, "params": params}).encode() + b"\n"
        )
        while line := self.channel.readline():
            message = json.loads(line)
            if message.get("id") == 1:
                return message
        return None

    def close(self):
        self.channel.close()
        self.process.wait(60)
        self.process.stderr.close()


@pytest.fixture
def folder(tmp_path):
    """`tmp_path` is root's alone: a worker of another user gets there only by the capability to search."""
    (tmp_path / "own").mkdir()
    (tmp_path / "code").mkdir()
    (tmp_path / "secret").write_text("the-secret")
    (tmp_path / "code" / "spy.py").write_text(PLUGIN.format(secret=str(tmp_path / "secret")))
    if IS_ROOT:
        os.chown(tmp_path / "own", NOBODY, NOBODY)
    return tmp_path


def policy_for(folder, **changes):
    user = NOBODY if IS_ROOT else None
    return SandboxPolicy(
        read=(str(folder / "code"),), write=(str(folder / "own"),), uid=user, gid=user
    )._replace(**changes)


def test_policy_holds_before_the_plugin_is_imported(folder):
    worker = Served(folder, policy_for(folder, enforcement=Enforcement.REQUIRE))
    try:
        shaken = worker.ask("handshake", protocol=[1], plugin={"id": 1, "name": "spy"})["result"]
        assert shaken["sandbox"]["level"] == "full"
        assert worker.ask("initialize", config={})["result"]["methods"]
        assert worker.ask("execute", method="stolen", parameters={}, call={})["result"] == "PermissionError"
        assert (folder / "own" / "mine.txt").read_text() == "x"
        assert "PermissionError" in json.dumps(
            worker.ask("execute", method="hidden", parameters={}, call={})["error"]
        )
    finally:
        worker.close()


def test_variables_of_the_sandbox_are_gone(folder):
    worker = Served(folder, policy_for(folder))
    try:
        worker.ask("handshake", protocol=[1], plugin={"id": 1, "name": "spy"})
        worker.ask("initialize", config={})
        variables = worker.ask("execute", method="variables", parameters={}, call={})["result"]
        assert not [name for name in variables if name.startswith("ISP_")]
    finally:
        worker.close()


@pytest.mark.skipif(not IS_ROOT, reason="only root has something to give up that it may not be able to")
def test_worker_that_cannot_have_what_is_required_does_not_start(folder):
    worker = Served(folder, policy_for(folder, enforcement=Enforcement.REQUIRE, uid=None))
    try:
        assert worker.process.wait(60) == 3
        assert b"the sandbox is required" in worker.process.stderr.read().lower()
    finally:
        worker.close()
