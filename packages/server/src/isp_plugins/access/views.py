"""API keys as they are shown, and the rules for making one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from isp_plugins.access.errors import KeyInvalidError
from isp_plugins.db.tables import ApiKey

MAX_NAME = 200
MAX_LIMITS = 1000
"""Names in one limit list."""


class KeyStatus(StrEnum):
    """Whether a key opens anything now."""

    ACTIVE = "active"
    """It is accepted."""
    EXPIRED = "expired"
    """Its time is over."""
    REVOKED = "revoked"
    """Somebody took it back."""


@dataclass(frozen=True, slots=True)
class ApiKeyView:
    """An API key as it is shown: never its token."""

    id: int
    name: str
    role: str
    plugins: list[str] | None
    hooks: list[str] | None
    token_hint: str
    status: KeyStatus
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def view_of(key: ApiKey, now: datetime) -> ApiKeyView:
    """A key's row as it is shown."""
    return ApiKeyView(
        id=key.id,
        name=key.name,
        role=key.role,
        plugins=key.plugins,
        hooks=key.hooks,
        token_hint=key.token_hint,
        status=status_of(key.expires_at, key.revoked_at, now),
        created_at=key.created_at,
        created_by=key.created_by,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
    )


def status_of(expires_at: datetime | None, revoked_at: datetime | None, now: datetime) -> KeyStatus:
    """Whether a key opens anything: revoked weighs more than expired."""
    if revoked_at is not None:
        return KeyStatus.REVOKED
    return KeyStatus.EXPIRED if expires_at is not None and expires_at <= now else KeyStatus.ACTIVE


def check_draft(
    *,
    name: str,
    role: str,
    roles: Collection[str],
    plugins: Sequence[str] | None,
    hooks: Sequence[str] | None,
    expires_at: datetime | None,
    now: datetime,
) -> None:
    """Raise one `KeyInvalidError` with everything that is wrong with a key to be made."""
    mistakes = [
        {"path": path, "message": message}
        for path, message in (
            ("name", _name_mistake(name)),
            ("role", None if role in roles else f"expected one of {', '.join(sorted(roles))}, got {role!r}"),
            ("plugins", _limit_mistake(plugins)),
            ("hooks", _limit_mistake(hooks)),
            ("expires_at", _expiry_mistake(expires_at, now)),
        )
        if message is not None
    ]
    if mistakes:
        raise KeyInvalidError(
            summary="; ".join(f"{each['path']}: {each['message']}" for each in mistakes), mistakes=mistakes
        )


def _name_mistake(name: str) -> str | None:
    fits = len(name.strip()) > 0 and len(name) <= MAX_NAME and name.isprintable()
    return None if fits else f"expected 1 to {MAX_NAME} printable characters"


def _limit_mistake(names: Sequence[str] | None) -> str | None:
    if names is None:
        return None
    # An empty list would be a key that opens nothing: more likely a slip than a wish.
    if not 1 <= len(names) <= MAX_LIMITS:
        return f"expected 1 to {MAX_LIMITS} names, or nothing at all for no limit"
    return next((f"expected names, got {name!r}" for name in names if _name_mistake(name)), None)


def _expiry_mistake(expires_at: datetime | None, now: datetime) -> str | None:
    if expires_at is None:
        return None
    if expires_at.tzinfo is None:
        return "expected a moment with its time zone"
    return None if expires_at > now else f"expected a moment after {now.isoformat(timespec='seconds')}"
