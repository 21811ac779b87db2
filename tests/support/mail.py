"""A real SMTP server with STARTTLS and login, on a loopback port."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


@dataclass
class MailServer:
    """Where it listens, whom to trust, and what arrived."""

    ca_file: Path
    port: int = 0
    received: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep a message."""
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.received.append(message)
        return "250 OK"


class FreePortController(Controller):
    """A controller that takes a free port and knows which."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mailbox(folder: Path, *, username: str, password: str) -> Iterator[MailServer]:
    """Run the server while the block runs; login is required, and only after STARTTLS."""
    authority = trustme.CA()
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    def authenticate(*arguments: Any) -> AuthResult:
        given = arguments[-1]
        fits = (
            isinstance(given, LoginPassword)
            and given.login == username.encode()
            and given.password == password.encode()
        )
        return AuthResult(success=fits)

    server = MailServer(ca_file)
    controller = FreePortController(
        server,
        hostname="127.0.0.1",
        port=0,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=authenticate,
    )
    controller.start()
    try:
        server.port = controller.port
        yield server
    finally:
        controller.stop()
