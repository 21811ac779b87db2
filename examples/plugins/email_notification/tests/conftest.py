"""A real SMTP server with TLS and login on a loopback port, and the plugin as its registration describes it."""

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from isp_plugin_sdk.testing import PluginHarness

FOLDER = Path(__file__).parents[1]
USERNAME, PASSWORD = "isp", "correct horse battery staple"


@dataclass
class MailServer:
    """What arrived, and how to reach the server."""

    port: int = 0
    envelopes: list[Envelope] = field(default_factory=list)
    refuse: set[str] = field(default_factory=set)

    @property
    def message(self) -> EmailMessage:
        """The one message that arrived."""
        (envelope,) = self.envelopes
        assert isinstance(envelope.content, bytes)
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def text(self, kind: str = "plain") -> str:
        """The text of a part of that message."""
        body = self.message.get_body((kind,))
        assert isinstance(body, EmailMessage)
        return str(body.get_content()).replace("\r\n", "\n")


class Handler:
    """What aiosmtpd calls; it looks at every attribute, so it is apart from what a test reads."""

    def __init__(self, server: MailServer) -> None:
        self._server = server

    async def handle_RCPT(self, *arguments: Any) -> str:  # noqa: N802  aiosmtpd's name
        _, _, envelope, address, _ = arguments
        if address in self._server.refuse:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        self._server.envelopes.append(envelope)
        return "250 OK"


class FreePortController(Controller):
    """A controller that takes a free port and knows which."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Who issued the server's certificate."""
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The authority's certificate as a file."""
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return str(file)


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """The server's side of TLS, for the name localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def authenticate(*arguments: Any) -> AuthResult:
    """Whether name and password are right."""
    given = arguments[-1]
    fits = isinstance(given, LoginPassword) and (given.login, given.password) == (
        USERNAME.encode(),
        PASSWORD.encode(),
    )
    return AuthResult(success=fits, handled=False)


@pytest.fixture
def serve() -> Iterator[Callable[..., MailServer]]:
    """Start servers with the options given; all of them stop when the test ends."""
    controllers: list[Controller] = []

    def start(**options: Any) -> MailServer:
        server = MailServer()
        controller = FreePortController(Handler(server), hostname="127.0.0.1", port=0, **options)
        controller.start()
        controllers.append(controller)
        server.port = controller.port
        return server

    yield start
    for controller in controllers:
        controller.stop()


@pytest.fixture
def server(serve: Callable[..., MailServer], tls: ssl.SSLContext) -> MailServer:
    """A server that wants STARTTLS first, and then a login."""
    return serve(tls_context=tls, require_starttls=True, auth_required=True, authenticator=authenticate)


@pytest.fixture
def config(server: MailServer, ca_file: str) -> dict[str, Any]:
    """What an operator sets for that server."""
    return {
        "smtp_server": "localhost",
        "smtp_port": server.port,
        "username": USERNAME,
        "password": PASSWORD,
        "ca_file": ca_file,
        "from_address": "hello@isp.example",
        "from_name": "Fibre Co",
        "company": "Fibre Co",
        "timeout": 3,
    }


@pytest.fixture(scope="session")
def registration() -> dict[str, Any]:
    """The body that is POSTed to register the plugin."""
    body: dict[str, Any] = json.loads((FOLDER / "plugin.json").read_text("utf-8"))
    return body


@pytest.fixture
def start(registration: dict[str, Any], tmp_path: Path) -> Iterator[Callable[..., PluginHarness]]:
    """Start the plugin with a configuration; it lies where its module path looks for it."""
    harnesses: list[PluginHarness] = []
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "email_notification").symlink_to(FOLDER, target_is_directory=True)

    def begin(config: dict[str, Any], **options: Any) -> PluginHarness:
        harness = PluginHarness.from_registration(registration, config, folder=tmp_path, **options)
        harness.start()
        harnesses.append(harness)
        return harness

    yield begin
    for harness in harnesses:
        harness.stop()


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
