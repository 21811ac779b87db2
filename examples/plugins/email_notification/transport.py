"""One connection to the mail server: connect, encrypt, log in, hand over, each step with its own clear error.

1. `starttls` means it: a server that does not offer it gets neither login nor mail.
2. The certificate is checked, name included, against the system's authorities or `ca_file`.
3. All steps share one limit of time.
"""

import contextlib
import smtplib
import socket
import ssl
import time
from email.message import EmailMessage
from types import TracebackType
from typing import Self

from .errors import EmailError, LoginError, RefusedError, SettingsError, TlsError, UnreachableError
from .settings import Security, Server

_MIN_STEP_S = 0.05
_STARTTLS_HINT = "Where the server speaks TLS from the first byte (port 465), security must be tls; to do without encryption, none"
_TLS_HINT = "Where the server begins in clear (port 587), security must be starttls"
_CERTIFICATE_HINT = (
    "If the server's certificate comes from an authority of your own, name its file in ca_file"
)


class Connection:
    """A connection to one server for one mail or one check; use it as a context manager."""

    def __init__(self, server: Server, *, seconds: float, greeting: str) -> None:
        self._server = server
        self._ends = time.monotonic() + seconds
        self._greeting = greeting
        self._client: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is None:
            return
        with contextlib.suppress(smtplib.SMTPException, OSError):
            if kind is None:
                self._step().quit()
        self._client.close()

    def connect(self) -> None:
        """Open the connection, and with `tls` the encryption; `UnreachableError`, `TlsError`."""
        server = self._server
        try:
            seconds = self._left() / self._addresses()
            if server.security is Security.TLS:
                context = self._context()
                self._client = smtplib.SMTP_SSL(
                    server.host, server.port, self._greeting, timeout=seconds, context=context
                )
            else:
                self._client = smtplib.SMTP(server.host, server.port, self._greeting, timeout=seconds)
        except ssl.SSLError as error:
            raise self._tls_error(error) from error
        except (
            smtplib.SMTPException,
            OSError,
            UnicodeError,
        ) as error:  # UnicodeError: a name that cannot be one
            raise UnreachableError(server=server.name, problem=_reason(error)) from error

    def encrypt(self) -> None:
        """Switch to TLS where `starttls` is set; `TlsError`, `UnreachableError`."""
        if self._server.security is not Security.STARTTLS:
            return
        try:
            self._step().starttls(context=self._context())
        except smtplib.SMTPNotSupportedError as error:
            raise TlsError(
                server=self._server.name, problem="it does not offer STARTTLS", hint=_STARTTLS_HINT
            ) from error
        except ssl.SSLError as error:
            raise self._tls_error(error) from error
        except (smtplib.SMTPException, OSError) as error:
            raise UnreachableError(server=self._server.name, problem=_reason(error)) from error

    def log_in(self) -> None:
        """Log in where a username is set; `LoginError`, `UnreachableError`."""
        server = self._server
        if server.username is None or server.password is None:
            return
        try:
            self._step().login(server.username, server.password)
        except smtplib.SMTPServerDisconnected as error:
            raise UnreachableError(server=server.name, problem=_reason(error)) from None
        except smtplib.SMTPException as error:
            raise LoginError(server=server.name, username=server.username, problem=_reason(error)) from None
        except OSError as error:
            raise UnreachableError(server=server.name, problem=_reason(error)) from None
        except UnicodeError:
            problem = "only ASCII can be sent in a login"
            raise LoginError(server=server.name, username=server.username, problem=problem) from None

    def open(self) -> None:
        """Connect, encrypt and log in."""
        self.connect()
        self.encrypt()
        self.log_in()

    def send(self, message: EmailMessage) -> dict[str, str]:
        """Hand a message over; returns the recipients that were refused with the reason. `RefusedError` where all were, or the mail."""
        try:
            refused = self._step().send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            problem = "; ".join(
                f"{address}: {_answer(*answer)}" for address, answer in error.recipients.items()
            )
            raise RefusedError(server=self._server.name, problem=problem) from error
        except (smtplib.SMTPResponseException, smtplib.SMTPNotSupportedError) as error:
            raise RefusedError(server=self._server.name, problem=_reason(error)) from error
        except (smtplib.SMTPException, OSError) as error:
            raise UnreachableError(server=self._server.name, problem=_reason(error)) from error
        return {address: _answer(*answer) for address, answer in refused.items()}

    def _left(self) -> float:
        """Seconds left for the next step."""
        return max(self._ends - time.monotonic(), _MIN_STEP_S)

    def _addresses(self) -> int:
        """How many addresses the server's name has: each is tried in turn, and all of them share the time."""
        return len(socket.getaddrinfo(self._server.host, self._server.port, type=socket.SOCK_STREAM))

    def _step(self) -> smtplib.SMTP:
        """The open client, its socket limited to the time that is left."""
        if self._client is None or self._client.sock is None:
            raise UnreachableError(server=self._server.name, problem="the connection is closed")
        self._client.sock.settimeout(self._left())
        return self._client

    def _context(self) -> ssl.SSLContext:
        """What certificates are checked with."""
        try:
            return ssl.create_default_context(cafile=self._server.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                problem=f"ca_file {self._server.ca_file} cannot be read ({_reason(error)})"
            ) from error

    def _tls_error(self, error: ssl.SSLError) -> EmailError:
        """Why there is no encryption, and what helps."""
        if isinstance(error, ssl.SSLCertVerificationError):
            problem = f"its certificate is not trusted ({error.verify_message})"
            return TlsError(server=self._server.name, problem=problem, hint=_CERTIFICATE_HINT)
        hint = _TLS_HINT if self._server.security is Security.TLS else _STARTTLS_HINT
        return TlsError(server=self._server.name, problem=_reason(error), hint=hint)


def _reason(error: Exception) -> str:
    """What an error says, in one line."""
    if isinstance(error, smtplib.SMTPSenderRefused):
        return f"sender {error.sender}: {_answer(error.smtp_code, error.smtp_error)}"
    if isinstance(error, smtplib.SMTPResponseException):
        return _answer(error.smtp_code, error.smtp_error)
    if isinstance(error, TimeoutError) or isinstance(
        error.__context__, TimeoutError
    ):  # smtplib wraps the one it meets while reading
        return "it did not answer in time"
    if isinstance(error, socket.gaierror):
        return f"its name cannot be resolved ({error.strerror})"
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return " ".join(text.split()).rstrip(".")


def _answer(code: int, text: bytes | str) -> str:
    """A server's answer as text."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join(f"{code} {words}".split()).rstrip(".")
