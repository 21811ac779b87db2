"""Addresses: which ones mail is sent to, and why others are refused.

1. An address is `local@domain` without spaces, quotes, brackets or control characters, at most 254 characters: nothing that could
   begin a second header or add a recipient.
2. A domain may be international; it is sent in its ASCII form.
3. Recipients come from a customer's `emails` and `email`, each address once, at most `MAX_RECIPIENTS`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .errors import AddressError

MAX_RECIPIENTS = 20
_MAX_LENGTH = 254
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def checked(address: Any) -> str:
    """The address as it is sent; `AddressError` where it is none."""
    if not isinstance(address, str):
        raise AddressError(address=repr(address), problem="expected text")
    text = address.strip(" ")
    local, at, domain = text.rpartition("@")
    if not at or len(text) > _MAX_LENGTH or not _LOCAL.fullmatch(local):
        raise AddressError(address=repr(text[:_MAX_LENGTH]), problem="expected name@domain")
    return f"{local}@{_ascii_domain(domain, text)}"


def recipients_of(customer: Mapping[str, Any]) -> list[str]:
    """Every address of a customer, each once; `AddressError` where one is none, so that nobody is left out in silence."""
    emails = customer.get("emails") or []
    given = [*([emails] if isinstance(emails, str) else emails), customer.get("email")]
    found = unique(one for one in given if one)
    if len(found) > MAX_RECIPIENTS:
        raise AddressError(
            address=f"The list of {len(found)} addresses", problem=f"expected at most {MAX_RECIPIENTS}"
        )
    return found


def unique(addresses: Iterable[Any]) -> list[str]:
    """The checked addresses, each once, in order."""
    return list(dict.fromkeys(checked(one) for one in addresses))


def _ascii_domain(domain: str, address: str) -> str:
    """A domain's ASCII form."""
    try:
        ascii_domain = domain.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise AddressError(address=repr(address), problem=f"the domain cannot be used ({error})") from None
    if not all(_LABEL.fullmatch(label) for label in ascii_domain.split(".")):
        raise AddressError(address=repr(address), problem="expected a domain like example.org after the @")
    return ascii_domain
