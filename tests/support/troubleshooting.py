"""The situations of docs/troubleshooting.md, built on a real server, and the page's console blocks run against them.

`python tests/support/troubleshooting.py` (with `tests` on the path) writes the real output into the page; `...` lines stay as they are.
"""

import re
import shlex
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.commands import ROOT, run
from support.server import ApiServer, api_server

PAGE = ROOT / "docs" / "troubleshooting.md"
SHOWN_FOLDER = "/srv/isp"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
ANY = "..."
HEAD = "from app.services.plugin_service import PluginInterface\n"
WORKING = (
    HEAD
    + """

class Plugin(PluginInterface):
    def initialize(self):
        return True

    def notify(self, payload):
        return {"told": payload.get("id")}
"""
)
SOURCES = {
    "customer_sync": WORKING,
    "plain": "class Plugin:\n    pass\n",
    "renamed": WORKING.replace("class Plugin(", "class CustomerSync("),
    "broken_line": HEAD + "\n\nclass Plugin(PluginInterface)\n    pass\n",
    "bridge": WORKING,
    "refusing": WORKING.replace("return True", 'raise RuntimeError("the gateway answers 503")'),
    "mailer": WORKING,
    "sms": WORKING,
    "sealed": WORKING,
    "quiet": WORKING,
    "picky": WORKING,
    "guard": WORKING.replace('return {"told": payload.get("id")}', 'raise Reject("no such address")').replace(
        HEAD, HEAD + "from isp_plugin_sdk import Reject\n"
    ),
    "after_guard": WORKING,
    "hanging": WORKING.replace(
        "def notify(self, payload):\n", "def notify(self, payload):\n        time.sleep(600)\n"
    ).replace(HEAD, "import time\n\n" + HEAD),
    "ill": WORKING
    + '\n    def health_check(self):\n        return {"status": "degraded", "checks": [{"name": "gateway", "status": "warn", "message": "answers in 4 s"}]}\n',
    "chatty": WORKING,
}
MAIL_SCHEMA = {
    "smtp_server": {"type": "string", "required": True, "description": "Where mail is handed over."},
    "smtp_port": {"type": "integer", "default": 25, "minimum": 1, "maximum": 65535},
}
SECRET_SCHEMA = {"token": {"type": "string", "required": True, "encrypted": True}}


@dataclass(frozen=True)
class Block:
    """One console block: a command and what it prints."""

    heading: str
    command: str
    expected: str
    span: tuple[int, int]


def blocks(text: str) -> list[Block]:
    """Every console block of a page, each with one command, under its `##` heading."""
    found = []
    for match in BLOCK.finditer(text):
        command, _, expected = match.group(1).partition("\n")
        assert command.startswith("$ "), command
        heading = text[: match.start()].rpartition("\n## ")[2].partition("\n")[0]
        found.append(Block(heading, command.removeprefix("$ "), expected, match.span(1)))
    return found


def build(server: ApiServer) -> None:
    """Bring a server into every situation of the page, in an order that gives the ids it shows."""
    folder = server.process.folder / "var" / "plugins"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    for name, source in SOURCES.items():
        (folder / f"{name}.py").write_text(source)
    _build_unloadable(server)
    _build_misconfigured(server)
    _build_silent_hooks(server)
    _build_slow(server)


def _build_unloadable(server: ApiServer) -> None:
    register(server, "lost", module="custmer_sync")
    for name in ("renamed", "plain", "broken_line"):
        register(server, name)
    needs = [
        {"kind": "plugin", "name": "ledger", "specifier": ">=2"},
        {"kind": "python", "name": "isp-no-such-package"},
    ]
    register(server, "bridge", dependencies=needs)
    refusing = register(server, "refusing")
    assert server.admin.post(f"/plugins/{refusing}/enable").status_code == 409


def _build_misconfigured(server: ApiServer) -> None:
    register(server, "mailer", config_schema=MAIL_SCHEMA)
    sealed, other = (register(server, name, config_schema=SECRET_SCHEMA) for name in ("sealed", "sms"))
    for plugin in (sealed, other):
        answer = server.admin.put(
            f"/plugins/{plugin}/config", json={"values": {"token": f"token of {plugin}"}}
        )
        answer.raise_for_status()
    # Somebody moved one plugin's ciphertext to another by hand.
    with sqlite3.connect(server.process.folder / "var" / "isp-plugins.db", timeout=30) as database:
        database.execute(
            "UPDATE plugin_configurations SET ciphertext = (SELECT ciphertext FROM plugin_configurations WHERE plugin_id = ?) WHERE plugin_id = ?",
            (other, sealed),
        )
    database.close()


def _build_silent_hooks(server: ApiServer) -> None:
    quiet = enabled(server, "quiet")
    hook = bind(server, quiet, "customer_created")
    server.admin.put(f"/plugins/{quiet}/hooks/{hook}", json={"is_active": False}).raise_for_status()
    bind(
        server,
        enabled(server, "picky"),
        "service_activated",
        conditions='plan.speed >= 100 && country == "PT"',
    )
    guard, after = enabled(server, "guard"), enabled(server, "after_guard")
    bind(server, guard, "customer_before_create", hook_type="filter", priority=10)
    bind(server, after, "customer_before_create", hook_type="filter", priority=20)
    dispatch(server, "customer_before_create", {"draft": {"name": "Ada"}})


def _build_slow(server: ApiServer) -> None:
    hanging = enabled(server, "hanging")
    bind(server, hanging, "invoice_created", timeout_ms=50)
    dispatch(server, "invoice_created", {"id": 1})
    enabled(server, "ill")
    chatty = enabled(server, "chatty")
    bind(server, chatty, "ticket_created")
    deadline = time.monotonic() + 60
    while not server.admin.get("/plugins/logs", params={"plugin_id": hanging}).json()["items"]:
        assert time.monotonic() < deadline, "the failed call should stand in the log"


def register(server: ApiServer, name: str, *, module: str | None = None, **more: Any) -> int:
    """Register a plugin of this name; its id."""
    body = {
        "name": name,
        "version": "1.0.0",
        "plugin_type": "CUSTOM",
        "module_path": f"plugins.{module or name}",
        "entry_point": "Plugin",
        **more,
    }
    return int(server.admin.post("/plugins/", json=body).raise_for_status().json()["id"])


def enabled(server: ApiServer, name: str) -> int:
    """Register and enable; its id."""
    plugin = register(server, name)
    server.admin.post(f"/plugins/{plugin}/enable").raise_for_status()
    return plugin


def bind(server: ApiServer, plugin: int, hook: str, **more: Any) -> int:
    """Bind `notify` to a hook; the subscription's id."""
    body = {"hook_name": hook, "hook_type": "action", "callback_method": "notify", **more}
    return int(server.admin.post(f"/plugins/{plugin}/hooks", json=body).raise_for_status().json()["id"])


def dispatch(server: ApiServer, hook: str, payload: Any) -> None:
    """Dispatch a hook once."""
    server.admin.post(f"/hooks/{hook}/dispatch", json={"payload": payload}).raise_for_status()


def output_of(server: ApiServer, command: str) -> str:
    """What a command of the page prints, normalised."""
    program, *arguments = shlex.split(command)
    assert program == "isp-plugins", command
    done = run(*arguments, cwd=server.process.folder)
    return normalised(done.stdout + done.stderr, server.process.folder)


def normalised(text: str, folder: Path) -> str:
    """Folders, moments, durations and ids of requests as the page shows them."""
    text = text.replace(str(folder), SHOWN_FOLDER)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|\+00:00)", "2030-01-01T12:00:00.000000Z", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|\+00:00)", "2030-01-01T12:00:00Z", text)
    text = re.sub(r"^request  \w+$", "request  0f3c1a52", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=  )\d+\.\d\d$", "0.05", text, flags=re.MULTILINE)
    return re.sub(r"[ \t]+\n", "\n", text)


def fits(expected: str, found: str) -> bool:
    """Whether the output is what the page shows; a line of three dots stands for any lines."""
    parts = [re.escape(part) for part in re.split(rf"^{re.escape(ANY)}\n", expected, flags=re.MULTILINE)]
    return re.fullmatch(r"(?:.*\n)*?".join(parts), found) is not None


def rewrite() -> None:
    """Write the real output into every block that is shown whole."""
    text = PAGE.read_text()
    with tempfile.TemporaryDirectory() as folder, api_server(Path(folder)) as server:
        build(server)
        outputs = [(block, output_of(server, block.command)) for block in blocks(text)]
    for block, output in reversed(outputs):
        if f"\n{ANY}\n" not in f"\n{block.expected}":
            text = text[: block.span[0]] + f"$ {block.command}\n{output}" + text[block.span[1] :]
        elif not fits(block.expected, output):
            sys.stdout.write(f"--- {block.command}\n{output}")
    PAGE.write_text(text)


if __name__ == "__main__":
    rewrite()
