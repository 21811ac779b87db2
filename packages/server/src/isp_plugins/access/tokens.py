"""Tokens of API keys: made here, shown once, kept as a hash.

A token is 256 random bits, so its plain SHA-256 is safe to keep: nothing can be guessed that would need a slow hash.
"""

import re
import secrets
from hashlib import sha256

PREFIX = "isp_"
"""By which people and secret scanners know a token."""
TOKEN_BYTES = 32
HINT_CHARS = len(PREFIX) + 6
MAX_TOKEN_CHARS = 256
"""A longer text is not hashed: it is none of ours."""
_SHAPE = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


def new_token() -> str:
    """A fresh token."""
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def is_token(text: str) -> bool:
    """Whether a text has the shape of a token."""
    return _SHAPE.fullmatch(text) is not None


def hash_of(token: str) -> bytes:
    """What is kept of a token."""
    return sha256(token.encode("utf-8", "replace")).digest()


def hint_of(token: str) -> str:
    """The first characters, by which people tell keys apart."""
    return token[:HINT_CHARS]
