"""The check that really checks: connects, encrypts, logs in, and reports each step."""

from isp_plugin_sdk.health import Check, failed, passed, warned

from .errors import EmailError, LoginError, TlsError, UnreachableError
from .settings import Security, Server
from .transport import Connection


def probe(server: Server, *, seconds: float, greeting: str) -> list[Check]:
    """One check a step, up to the first that fails; never raises for what the server does."""
    checks: list[Check] = []
    try:
        with Connection(server, seconds=seconds, greeting=greeting) as connection:
            connection.connect()
            checks.append(passed("connection", f"{server.name} answers"))
            connection.encrypt()
            checks.append(_encryption(server))
            connection.log_in()
            checks.append(_login(server))
    except EmailError as error:
        checks.append(failed(_step_of(error, len(checks)), str(error)))
    return checks


def _encryption(server: Server) -> Check:
    """What the encryption is worth."""
    if server.security is not Security.NONE:
        return passed("encryption", f"{server.security.value}, certificate trusted")
    if server.is_local:
        return passed("encryption", "none, on this machine")
    return warned("encryption", "none: mails cross the network in clear")


def _login(server: Server) -> Check:
    """Whether a login was needed."""
    return passed("login", f"as {server.username}" if server.username else "none configured")


def _step_of(error: EmailError, done: int) -> str:
    """The name of the check that an error belongs to."""
    if isinstance(error, TlsError):
        return "encryption"
    if isinstance(error, LoginError):
        return "login"
    if isinstance(error, UnreachableError):
        return ("connection", "encryption", "login")[min(done, 2)]
    return "configuration"
