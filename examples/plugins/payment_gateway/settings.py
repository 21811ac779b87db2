"""The plugin's configuration as a value, with the rules that a schema cannot tell.

1. The key is never sent unencrypted, except to the machine itself.
2. The endpoint is a plain address: no login, query or fragment in it.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .errors import PaymentInvalidError, SettingsError
from .money import checked_currency


@dataclass(frozen=True)
class Settings:
    """Everything an operator can set."""

    endpoint: str
    api_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    callback_folder: Path | None
    callback_tolerance: int
    gateway: str
    method_id: str
    method_name: str
    currencies: frozenset[str]
    key_prefix: str
    timeout: float
    """Limit of one request, in seconds."""
    max_retries: int
    remember_days: int
    ca_file: str | None

    @property
    def name(self) -> str:
        """The gateway's host, for messages."""
        return urlsplit(self.endpoint).netloc

    def accepts(self, currency: str) -> bool:
        """Whether the operator takes payments in it."""
        return not self.currencies or currency in self.currencies

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Settings":
        """Read a complete configuration; `SettingsError` where its values do not fit."""
        secrets = (config.get("webhook_secret"), config.get("previous_webhook_secret"))
        folder = config.get("callback_folder")
        return cls(
            endpoint=_endpoint(config.get("endpoint") or "https://api.stripe.com"),
            api_key=_key(config.get("api_key")),
            webhook_secrets=tuple(secret for secret in secrets if secret),
            callback_folder=Path(folder) if folder else None,
            callback_tolerance=int(config.get("callback_tolerance", 300)),
            gateway=config.get("gateway", "stripe"),
            method_id=config.get("method_id", "card"),
            method_name=config.get("method_name", "Card"),
            currencies=_currencies(config.get("currencies", [])),
            key_prefix=config.get("key_prefix", "isp"),
            timeout=float(config.get("timeout", 10)),
            max_retries=int(config.get("max_retries", 3)),
            remember_days=int(config.get("remember_days", 180)),
            ca_file=config.get("ca_file") or None,
        )


def _endpoint(value: str) -> str:
    """The API's address without a slash at its end."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise SettingsError(problem=f"endpoint is not an address ({error})") from error
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise SettingsError(problem="endpoint must be an address like https://api.example.com")
    if parts.username or parts.password:
        raise SettingsError(problem="endpoint must not hold a login; the key belongs into api_key")
    if parts.scheme == "http" and not _is_local(host):
        raise SettingsError(problem="endpoint is http, so the key would be sent unencrypted; use https")
    return value.rstrip("/")


def _key(value: Any) -> str:
    """The key, as an HTTP header can hold it."""
    if not isinstance(value, str) or not value:
        raise SettingsError(problem="api_key is missing")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise SettingsError(problem="api_key holds characters that no key has; was something else pasted?")
    return value


def _currencies(values: list[str]) -> frozenset[str]:
    """The currencies accepted."""
    try:
        return frozenset(checked_currency(value) for value in values)
    except PaymentInvalidError as error:
        raise SettingsError(problem=f"currencies: {error.fields['problem']}") from error


def _is_local(host: str) -> bool:
    """Whether it is the machine itself."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
