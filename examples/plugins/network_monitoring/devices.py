"""A device as it is watched: who it is, and where it answers."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from .errors import DeviceInvalidError

Id = int | str
MAX_ID = 200


@dataclass(frozen=True, slots=True)
class Device:
    """One device. Its address is an IP address: names would make every sweep a flood of name lookups."""

    id: Id
    address: str
    port: int | None = None
    name: str = ""

    @property
    def key(self) -> str:
        """What it is told apart by: 31 and "31" are the same device."""
        return str(self.id)

    @property
    def is_ipv6(self) -> bool:
        """Whether its address is one of IPv6."""
        return ":" in self.address

    @property
    def label(self) -> str:
        """For messages."""
        where = self.address if self.port is None else f"{self.address} port {self.port}"
        return f"{self.name or self.id} ({where})"

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read a configuration's or payload's device; `DeviceInvalidError`."""
        device_id = checked_id(given.get("id"))
        address = given.get("address")
        try:
            address = str(ipaddress.ip_address(address if isinstance(address, str) else ""))
        except ValueError:
            problem = f"address: expected an IP address, got {given.get('address')!r}"
            raise DeviceInvalidError(device=device_id, problem=problem) from None
        port = given.get("port")
        if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536):
            raise DeviceInvalidError(device=device_id, problem=f"port: expected 1 to 65535, got {port!r}")
        return cls(id=device_id, address=address, port=port, name=str(given.get("name") or "")[:200])

    def dump(self) -> dict[str, Any]:
        """As a JSON value that `of` reads."""
        return {"id": self.id, "address": self.address, "port": self.port, "name": self.name}


def checked_id(value: Any) -> Id:
    """A device's id; `DeviceInvalidError`."""
    is_text = isinstance(value, str) and 0 < len(value) <= MAX_ID
    if is_text or (isinstance(value, int) and not isinstance(value, bool)):
        return value  # type: ignore[no-any-return]  # it was just looked at
    raise DeviceInvalidError(device=repr(value)[:50], problem="id: expected a whole number or text")
