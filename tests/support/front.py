"""The proxies of docs/operations.md, as they stand there but for addresses and certificates, so that they can be tried."""

import re
import shutil
import subprocess
from contextlib import contextmanager

from support.commands import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
PROGRAMS = ("nginx", "haproxy", "caddy")


def written(program):
    """The configuration on the page."""
    found = re.findall(rf"```{program}\n(.*?)```", PAGE, re.DOTALL)
    assert len(found) == 1, f"expected one block of {program} in docs/operations.md, got {len(found)}"
    return found[0]


def program_of(program):
    """Where it is on this machine; None where it is not."""
    return shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin:/usr/local/sbin")


def certificate(folder):
    """A key and a certificate of the test's own, and both in one file."""
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=plugins.example.net",
            "-keyout", folder / "own.key", "-out", folder / "own.pem",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "both.pem").write_text((folder / "own.pem").read_text() + (folder / "own.key").read_text())


def address(program, port):
    """Where it listens."""
    return f"{'http' if program == 'caddy' else 'https'}://127.0.0.1:{port}"


def tried(program, folder, port, nodes):
    """The configuration for this port and these two nodes (`host:port`); the command that checks it, and the one that runs it."""
    text = written(program).replace("10.0.0.11:8080", nodes[0]).replace("10.0.0.12:8080", nodes[1])
    file = folder / f"{program}.conf"
    where = program_of(program)
    if program == "nginx":
        text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
        text = text.replace("/etc/ssl/plugins.example.net", str(folder / "own"))
        places = "".join(
            f"{kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        file.write_text(
            f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
            f"events {{}}\nhttp {{\naccess_log off;\n{places}{text}}}\n"
        )
        base = [where, "-p", str(folder), "-c", str(file)]
        return [*base, "-t"], base
    if program == "haproxy":
        text = text.replace("bind :443", f"bind 127.0.0.1:{port}")
        file.write_text(text.replace("/etc/ssl/plugins.example.net.both.pem", str(folder / "both.pem")))
        return [where, "-c", "-f", str(file)], [where, "-db", "-f", str(file)]
    # Without TLS: Caddy wants a certificate of its own for a name that can be reached.
    text = text.replace("plugins.example.net {", f"http://127.0.0.1:{port} {{")
    file.write_text("{\n    admin off\n    auto_https off\n}\n\n" + text)
    base = ["--config", str(file), "--adapter", "caddyfile"]
    return [where, "validate", *base], [where, "run", *base]


@contextmanager
def running(command, folder):
    """The proxy, until the end of the block."""
    with (folder / "front.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={"HOME": str(folder), "PATH": "/usr/bin:/bin"}, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
