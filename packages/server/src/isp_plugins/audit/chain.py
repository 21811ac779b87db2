"""The chain: what an entry's mac covers and what a head's seal covers, as pure functions over values.

1. An entry's mac is HMAC-SHA256, under the audit key, over the mac before it and the canonical JSON of all its other columns.
2. A head's seal is HMAC-SHA256 over node, count and last mac, so that it cannot be wound back by hand.
3. Canonical JSON: keys sorted, no spaces, ASCII; a float that is whole is an integer, as PostgreSQL's JSONB would give it back.
4. Text is cut to its column, and what PostgreSQL cannot store (NUL, lone surrogates) becomes U+FFFD, before anything is computed.
"""

import hmac
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from isp_plugins.audit.errors import AuditDetailError

FIRST_MAC = bytes(32)
"""What stands for the mac before a node's first entry."""
MAX_VALUE_CHARS = 4096
"""A detail whose JSON is longer is cut to this: an audit entry names things, it does not carry them."""
MAX_INTEGER = 2**63
"""A larger one is recorded as hexadecimal text."""
MAX_NAME, MAX_WORD = 200, 32
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One audit entry as the chain sees it: every column but the mac."""

    id: int
    node: str
    sequence: int
    at: datetime
    tag: str
    outcome: str
    actor_type: str
    actor_id: str
    actor_name: str
    source: str | None
    request_id: str | None
    subject_type: str
    subject_id: str
    details: Mapping[str, Any]
    key_id: str

    def mac(self, key: bytes, before: bytes) -> bytes:
        """This entry's mac, after the entry whose mac is `before`."""
        return _digest(key, before + canonical(self._values()))

    def _values(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in self.__slots__}
        values["at"] = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        values["details"] = dict(self.details)
        return values


@dataclass(frozen=True, slots=True)
class Head:
    """Where a node's chain ends."""

    node: str
    count: int
    mac: bytes
    key_id: str

    def seal(self, key: bytes) -> bytes:
        """The seal that belongs to this head."""
        values = {"node": self.node, "count": self.count, "mac": self.mac.hex(), "key_id": self.key_id}
        return _digest(key, b"head" + canonical(values))


def canonical(value: Any) -> bytes:
    """The one spelling of a JSON value."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")


def same(left: bytes, right: bytes) -> bool:
    """Whether two macs are equal, in constant time."""
    return hmac.compare_digest(left, right)


def clean_details(details: Mapping[str, Any]) -> dict[str, Any]:
    """Details as both databases give them back, long ones cut; `AuditDetailError` for what is not JSON."""
    return {
        clean_text(str(key), MAX_NAME): _shortened(_clean(value, str(key))) for key, value in details.items()
    }


def clean_text(text: str, length: int) -> str:
    """Text that both databases store unchanged in a column of that length."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)[:length]


def _clean(value: Any, path: str) -> Any:
    match value:
        case None | bool():
            return value
        case int():
            return int(value) if abs(value) <= MAX_INTEGER else hex(value)
        case float() if math.isfinite(value):
            return _clean(int(value), path) if value.is_integer() else float(value)
        case str():
            return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
        case Mapping():
            return {
                clean_text(str(key), MAX_NAME): _clean(item, f"{path}.{key}") for key, item in value.items()
            }
        case list() | tuple() | set() | frozenset():
            items = sorted(value) if isinstance(value, (set, frozenset)) else value
            return [_clean(item, f"{path}[{index}]") for index, item in enumerate(items)]
    # The kind alone is named: a value of an unexpected kind may be a secret.
    raise AuditDetailError(path=path, got=type(value).__name__)


def _shortened(value: Any) -> Any:
    text = value if isinstance(value, str) else canonical(value).decode()
    if len(text) <= MAX_VALUE_CHARS:
        return value
    return f"{text[:MAX_VALUE_CHARS]}... ({len(text) - MAX_VALUE_CHARS} more characters)"


def _digest(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
