"""`make run`: serve from ./var, with the example plugin registered and a mailbox beside it, and print what to try.

The mailbox is a real SMTP server on a loopback port that keeps what it receives in `var/mailbox`, so that the first welcome mail has
somewhere to arrive. A production server is `isp-plugins serve` alone.
"""

import argparse
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "plugins" / "email_notification"
READY_WITHIN_S = 60.0

TRY_THIS = """
The server runs at {url}; its API documentation is {url}/api/v1/docs.
Your admin key is in {data}/admin.key. Ctrl-C stops everything.

Try this, in another terminal in this folder:

  .venv/bin/isp-plugins list
  .venv/bin/isp-plugins config set email_notification smtp_server=127.0.0.1 smtp_port={smtp} security=none from_address=isp@example.net
  .venv/bin/isp-plugins enable email_notification
  .venv/bin/isp-plugins dispatch customer_created '{{"id": 7, "name": "Ada", "emails": ["ada@example.org"]}}'
  cat {data}/mailbox/new/*
  .venv/bin/isp-plugins logs --plugin email_notification
  .venv/bin/isp-plugins audit verify

Then write your own: README.md, "Write a plugin".

The same call from any language:

  curl -s {url}/api/v1/hooks/customer_created/dispatch -H "X-API-Key: $(cat {data}/admin.key)" \\
       -H 'Content-Type: application/json' -d '{{"payload": {{"id": 8, "name": "Grace", "emails": ["grace@example.org"]}}}}'
"""


def main() -> int:
    """Run the server and the mailbox until the server ends; its exit code."""
    options = parse_options()
    data = options.folder / "var"
    if is_taken(options.port):
        sys.stderr.write(
            f"Port {options.port} is taken, perhaps by a server that runs already. End that, or use another port: make run PORT={options.port + 1}\n"
        )
        return 1
    url = f"http://127.0.0.1:{options.port}"
    copy_example(data)
    mailbox = start_mailbox(data, options.smtp_port)
    command = [
        Path(sys.executable).with_name("isp-plugins"),
        "serve",
        "--data-dir",
        "var",
        "--port",
        str(options.port),
    ]
    server = subprocess.Popen(command, cwd=options.folder)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.terminate())
    try:
        if wait_until_ready(server, url) and server.poll() is None:
            register_example(data, url)
            sys.stdout.write(TRY_THIS.format(url=url, data="var", smtp=options.smtp_port))
            sys.stdout.flush()
        return server.wait()
    finally:
        server.terminate()
        if mailbox is not None:
            mailbox.stop()


def parse_options() -> argparse.Namespace:
    """Where to run; the defaults are the README's."""
    parser = argparse.ArgumentParser(description="Serve with the example plugin and a mailbox.")
    parser.add_argument("--folder", type=Path, default=ROOT, help="where ./var is made")
    parser.add_argument("--port", type=int, default=8080, help="TCP port of the server")
    parser.add_argument("--smtp-port", type=int, default=8025, help="TCP port of the mailbox")
    return parser.parse_args()


def is_taken(port: int) -> bool:
    """Whether somebody listens there already: their answers would pass for our server's."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def copy_example(data: Path) -> None:
    """Put the example plugin on the plugin path, once: the copy is yours to change."""
    target = data / "plugins" / EXAMPLE.name
    if not target.exists():
        shutil.copytree(EXAMPLE, target, ignore=shutil.ignore_patterns("tests", "__pycache__"))


def start_mailbox(data: Path, port: int) -> Controller | None:
    """Start the mailbox, or say why there is none."""
    mailbox = Controller(Mailbox(data / "mailbox"), hostname="127.0.0.1", port=port)
    try:
        mailbox.start()
    except OSError as error:
        sys.stderr.write(
            f"No mailbox: port {port} cannot be used ({error}). Everything else works; name your own SMTP server, "
            f"or use another port: make run SMTP_PORT={port + 1}\n"
        )
        return None
    return mailbox


def wait_until_ready(server: subprocess.Popen[bytes], url: str) -> bool:
    """Wait until the server answers, or has ended with its own message."""
    deadline = time.monotonic() + READY_WITHIN_S
    while server.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).is_success:
                return True
        except httpx.TransportError:
            time.sleep(0.1)
    return False


def register_example(data: Path, url: str) -> None:
    """Register the example, unless it is registered already."""
    registration = json.loads((EXAMPLE / "plugin.json").read_text(encoding="utf-8"))
    headers = {"X-API-Key": (data / "admin.key").read_text(encoding="ascii").strip()}
    with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=30) as client:
        found = client.get("/plugins/", params={"name": registration["name"]}).raise_for_status()
        if not found.json()["total"]:
            client.post("/plugins/", json=registration).raise_for_status()


if __name__ == "__main__":
    sys.exit(main())
