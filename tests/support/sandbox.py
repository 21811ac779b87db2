"""Runs pieces of code in a sandboxed child, started as root or as an ordinary user, and makes the host that they attack."""

import asyncio
import contextlib
import errno
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import isp_plugin_sdk
from isp_plugin_sdk.sandbox.policy import Enforcement, SandboxPolicy

NOBODY = 65534
SYSTEM_PYTHON = "/usr/bin/python3"
SECRET = "the-host-secret-6f1c"
IS_ROOT = os.getuid() == 0
DENIED_ERRNOS = {errno.EPERM, errno.EACCES, errno.EXDEV, errno.EROFS, errno.ENOSYS}
LIBRARIES = ("jinja2", "markupsafe", "httpx", "httpcore", "h11", "anyio", "idna", "certifi", "sniffio")


@dataclass(frozen=True)
class Who:
    """As whom the worker starts, and as whom it goes on."""

    name: str
    starts_as: int
    becomes: int | None = None

    @property
    def ends_as(self):
        return self.starts_as if self.becomes is None else self.becomes


ORDINARY = Who("ordinary user", NOBODY if IS_ROOT else os.getuid())
ROOT_THEN_OTHER = Who("root, then another user", 0, NOBODY)
ROOT_STAYS = Who("root, and stays root", 0)
EVERYBODY = (ORDINARY, ROOT_THEN_OTHER, ROOT_STAYS) if IS_ROOT else (ORDINARY,)


class Kit:
    """A folder that any user can read: the SDK, the child's program and a few libraries; and the interpreters."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sandbox-kit-"))
        self.folder.chmod(0o755)
        source = Path(isp_plugin_sdk.__file__).parent
        shutil.copytree(source, self.folder / "isp_plugin_sdk", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(Path(__file__).with_name("sandbox_child.py"), self.folder)
        for name in LIBRARIES:
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.origin is not None:
                shutil.copytree(Path(spec.origin).parent, self.folder / name)
        for path in (self.folder, *self.folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)

    def python_for(self, who: Who) -> str | None:
        """An interpreter that this user can start; None where there is none."""
        for candidate in (sys.executable, SYSTEM_PYTHON):
            try:
                done = subprocess.run(
                    [candidate, "-I", "-c", "import sys; assert sys.version_info >= (3, 11)"],
                    capture_output=True,
                    check=False,
                    **as_user(who),
                )
            except OSError:
                continue
            if done.returncode == 0:
                return candidate
        return None

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def as_user(who: Who) -> dict:
    """Arguments of `subprocess` that start a child as this user."""
    if who.starts_as == os.getuid():
        return {}
    return {"user": who.starts_as, "group": who.starts_as, "extra_groups": []}


@dataclass
class Target:
    """A host to attack: its folders, a process with a secret in its environment, and servers that count who came."""

    folder: Path
    process: subprocess.Popen
    tcp: socket.socket
    udp: socket.socket
    unix: socket.socket
    datagram: socket.socket
    abstract: socket.socket
    others: dict[str, socket.socket]
    """Further servers, by the name of the value that tells where they are."""

    @property
    def servers(self):
        return (self.tcp, self.udp, self.unix, self.datagram, self.abstract, *self.others.values())

    @property
    def values(self):
        data = self.folder / "data"
        return {
            "data": str(data),
            "key": str(data / "secrets.key"),
            "database": str(data / "isp-plugins.db"),
            "other": str(data / "plugins" / "other" / "own.txt"),
            "decoy": str(data / "decoy"),
            "pid": self.process.pid,
            "port": self.tcp.getsockname()[1],
            "udp": self.udp.getsockname()[1],
            "unix": self.unix.getsockname(),
            "datagram": self.datagram.getsockname(),
            "abstract": self.abstract.getsockname()[1:].decode(),
        } | {name: _place(server) for name, server in self.others.items()}

    def is_unharmed(self):
        data = self.folder / "data"
        assert self.process.poll() is None
        assert (data / "secrets.key").read_text() == SECRET
        assert (data / "secrets.key").stat().st_mode & 0o777 == 0o600
        assert (data / "isp-plugins.db").read_text() == SECRET
        assert (data / "plugins" / "other" / "own.txt").read_text() == SECRET
        assert sorted(path.name for path in data.iterdir()) == [
            "decoy",
            "isp-plugins.db",
            "plugins",
            "secrets.key",
        ]
        for server in self.servers:
            assert nobody_came(server)
        return True

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        for server in self.servers:
            server.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _place(server):
    """Where a server is: its port, or its abstract name."""
    name = server.getsockname()
    return name[1:].decode() if isinstance(name, bytes) else name[1]


def further_servers(name):
    """An abstract one for datagrams, and those of IPv6 where this machine has it."""
    datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    datagrams.bind(f"\0{name}-datagram")
    servers = {"abstract_datagram": datagrams}
    with contextlib.suppress(OSError):
        servers["port6"] = socket.create_server(("::1", 0), family=socket.AF_INET6)
        servers["udp6"] = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        servers["udp6"].bind(("::1", 0))
    return servers


def nobody_came(server):
    server.setblocking(False)
    try:
        server.recv(1) if server.type == socket.SOCK_DGRAM else server.accept()
    except BlockingIOError:
        return True
    return False


def make_target(python: str, who: Who) -> Target:
    """A host of the user as whom workers are started, so that nothing but the sandbox stands between."""
    folder = Path(tempfile.mkdtemp(prefix="sandbox-host-"))
    folder.chmod(0o755)
    data = folder / "data"
    (data / "plugins" / "other").mkdir(parents=True)
    (folder / "own").mkdir()
    for path in (
        data / "secrets.key",
        data / "isp-plugins.db",
        data / "plugins" / "other" / "own.txt",
        data / "decoy",
    ):
        path.write_text(SECRET)
        path.chmod(0o600)
    process = subprocess.Popen(
        [python, "-I", "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        env={"HOST_SECRET": SECRET},
        start_new_session=True,
        **as_user(who),
    )
    tcp, udp = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    unix, datagram = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    unix.bind(str(folder / "unix"))
    unix.listen()
    datagram.bind(str(folder / "datagram"))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0sandbox-{os.getpid()}-{process.pid}")
    abstract.listen()
    if IS_ROOT:
        for path in (data, *data.rglob("*"), folder / "unix", folder / "datagram"):
            os.chown(path, who.starts_as, who.starts_as)
        os.chown(folder / "own", who.ends_as, who.ends_as)
    others = further_servers(f"sandbox-{os.getpid()}-{process.pid}")
    return Target(folder, process, tcp, udp, unix, datagram, abstract, others)


@dataclass
class Ended:
    """How a child ended."""

    code: int
    report: dict | None
    outcomes: dict
    refused: str | None
    stderr: str


def request_of(kit, target, policy, pieces, *, imports=(), broker=None):
    return json.dumps(
        {
            "kit": str(kit.folder),
            "folder": str(target.folder / "own"),
            "target": target.values,
            "policy": policy.to_json(),
            "pieces": pieces,
            "imports": list(imports),
            "broker": broker,
        }
    )


def policy_for(kit, target, who, **changes):
    """The policy of a plugin that was granted nothing."""
    plain = SandboxPolicy(
        enforcement=Enforcement.BEST_EFFORT,
        read=(str(kit.folder),),
        write=(str(target.folder / "own"),),
        uid=who.becomes,
        gid=who.becomes,
    )
    return plain._replace(**changes)


def run(kit, target, who, policy, pieces, *, imports=(), timeout=60):
    """Run the pieces in one child."""
    done = subprocess.run(
        [
            kit.python_for(who),
            "-I",
            str(kit.folder / "sandbox_child.py"),
            request_of(kit, target, policy, pieces, imports=imports),
        ],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=_environment(target),
        **as_user(who),
    )
    return _ended(done.returncode, done.stdout, done.stderr)


async def run_brokered(kit, target, who, policy, pieces, broker, *, imports=()):
    """The same with a broker, on the test's own loop."""
    theirs = broker.open()
    try:
        child = await asyncio.create_subprocess_exec(
            kit.python_for(who),
            "-I",
            str(kit.folder / "sandbox_child.py"),
            request_of(kit, target, policy, pieces, imports=imports, broker=theirs.fileno()),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(theirs.fileno(),),
            env=_environment(target),
            **as_user(who),
        )
        theirs.close()
        out, err = await child.communicate()
    finally:
        theirs.close()
        broker.close()
    return _ended(child.returncode, out.decode(), err.decode())


def _environment(target):
    own = str(target.folder / "own")
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": own,
        "TMPDIR": own,
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _ended(code, out, err):
    told = json.loads(out) if out.strip() else {}
    return Ended(code, told.get("report"), told.get("outcomes", {}), told.get("refused"), err)


def python_with_the_product(folder: Path, who: Who) -> str | None:
    """An interpreter that this user can start and that has the packages of this one; None where there is none."""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    if who.starts_as == os.getuid():
        return sys.executable
    python = folder / "python" / "bin" / "python"
    system = [SYSTEM_PYTHON, "-I", "-m", "venv", "--without-pip", "--symlinks", str(folder / "python")]
    if (
        not Path(SYSTEM_PYTHON).exists()
        or subprocess.run(system, check=False, capture_output=True).returncode
    ):
        return None
    (where,) = (folder / "python" / "lib").glob("python*/site-packages")
    (where / "product.pth").write_text(f"import site; site.addsitedir({packages!r})\n")
    done = subprocess.run([python, "-I", "-c", "import isp_plugins.system"], capture_output=True, check=False, **as_user(who))  # fmt: skip
    return str(python) if done.returncode == 0 else None
