"""The plugin's configuration as a value, with the rules that a schema cannot tell.

1. A login is never sent unencrypted, except to the machine itself.
2. `username` and `password` come together.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from .addresses import checked, unique
from .errors import AddressError, SettingsError


class Security(Enum):
    """How the connection to the mail server is encrypted."""

    STARTTLS = "starttls"
    """Begins in clear and must switch to TLS (port 587)."""
    TLS = "tls"
    """TLS from the first byte (port 465)."""
    NONE = "none"
    """Not encrypted: only for a relay on the machine itself or on a network of your own."""


@dataclass(frozen=True)
class Server:
    """Where mail is handed in, and how."""

    host: str
    port: int
    security: Security
    username: str | None
    password: str | None = field(repr=False)
    ca_file: str | None
    timeout: float
    """Limit of one whole mail, in seconds."""

    @property
    def name(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether it is the machine itself."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True)
class Settings:
    """Everything an operator can set."""

    server: Server
    from_address: str
    from_name: str
    reply_to: str | None
    company: str
    portal_url: str
    alert_addresses: tuple[str, ...]
    templates: Mapping[str, str]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Settings":
        """Read a complete configuration; `SettingsError` where its values do not fit together."""
        try:
            return cls(
                server=_server(config),
                from_address=checked(config.get("from_address")),
                from_name=config.get("from_name", ""),
                reply_to=checked(config["reply_to"]) if config.get("reply_to") else None,
                company=config.get("company", ""),
                portal_url=config.get("portal_url", ""),
                alert_addresses=tuple(unique(config.get("alert_addresses", []))),
                templates=dict(config.get("templates", {})),
            )
        except AddressError as error:
            raise SettingsError(problem=str(error)) from error


def _server(config: Mapping[str, Any]) -> Server:
    """The server's part of the configuration."""
    server = Server(
        host=config.get("smtp_server") or "",
        port=int(config.get("smtp_port", 587)),
        security=Security(config.get("security", "starttls")),
        username=config.get("username") or None,
        password=config.get("password") or None,
        ca_file=config.get("ca_file") or None,
        timeout=float(config.get("timeout", 10)),
    )
    if not server.host:
        raise SettingsError(problem="smtp_server is missing")
    if (server.username is None) is not (server.password is None):
        missing = "username" if server.username is None else "password"
        raise SettingsError(problem=f"username and password come together, and {missing} is missing")
    if server.username and server.security is Security.NONE and not server.is_local:
        raise SettingsError(
            problem="security is none, so the password would be sent unencrypted; use starttls or tls"
        )
    return server
