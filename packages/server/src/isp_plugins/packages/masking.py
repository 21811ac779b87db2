"""Credentials in URLs, taken out of everything that is stored or shown."""

import re
from urllib.parse import urlsplit, urlunsplit

_USER_INFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/\s@]*(?:@[^/\s@]*)*@")
_QUERY = re.compile(r"(?P<head>[A-Za-z][A-Za-z0-9+.-]*://[^\s?#]*)[?#]\S*")


def masked(text: str) -> str:
    """A text whose URLs hold no user, password, query or fragment any more."""
    return _QUERY.sub(lambda found: found["head"], _USER_INFO.sub(lambda found: found["scheme"], text))


def without_credentials(url: str) -> str:
    """One URL without user information, query and fragment; a user name of ssh (`git@`) is no secret and stays."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = parts.username
    if parts.scheme == "ssh" and user and not parts.password:
        host = f"{user}@{host}"
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
