"""The key ring: encrypts secrets at rest and gives the audit chain its keys.

1. Keys are 32 random bytes in urlsafe base64, newest first; the newest encrypts, each of them decrypts what it encrypted.
2. A ciphertext is bound to its place (`bound_to`): moved to another row, it does not decrypt.
3. Keys come from ISP_PLUGINS_SECRET_KEYS, or from `<data-dir>/secrets.key` (mode 0600; SQLite only). The file is generated only
   while there is no ciphertext: a lost key is never papered over with a new one.
4. Key material is in no message, no log and no repr.

A ciphertext is: format (1 byte), key id (4 bytes), nonce (12 bytes), AES-256-GCM ciphertext with its tag.
"""

import base64
import binascii
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from isp_plugins.durable_file import create_private, write_private
from isp_plugins.errors import ConflictError, StartupError
from isp_plugins.settings import Settings
from isp_plugins.settings.values import variable_of

KEY_BYTES = 32
ID_BYTES = 4
NONCE_BYTES = 12
FORMAT = b"\x01"
HEADER_BYTES = len(FORMAT) + ID_BYTES + NONCE_BYTES
FILE_NAME = "secrets.key"
VARIABLE = variable_of("secret_keys")
HEADING = "# Keys of the ISP Framework Plugin System, newest first. Keep a copy apart from the database: without them no secret can be read.\n"


class KeysMalformedError(StartupError):
    """The keys in {place} cannot be used: {summary}. Each key is 32 random bytes in urlsafe base64 (44 characters), for example from `openssl rand -base64 32 | tr '+/' '-_'`."""


class KeyFileExposedError(StartupError):
    """The key file {path} has mode {mode}: others than its owner can use it. Make it private (`chmod 600 {path}`), ask yourself who may have read it, and rotate the keys with `isp-plugins secrets rotate` if in doubt."""


class KeyFileUnreadableError(StartupError):
    """The key file {path} cannot be used: {cause}. The server needs to read it, and to create it at the first start."""


class KeysMissingError(StartupError):
    """The database holds secrets, but there is no key for them: {path} is gone. Put the file back from its copy, or give the keys in ISP_PLUGINS_SECRET_KEYS."""


class KeysRequiredError(StartupError):
    """PostgreSQL is shared by servers, so its keys are given to each in ISP_PLUGINS_SECRET_KEYS. Make one with `openssl rand -base64 32 | tr '+/' '-_'`, keep a copy, and set it on every node."""


class KeysNotInFileError(ConflictError):
    """The keys come from ISP_PLUGINS_SECRET_KEYS, so the server cannot add one itself. Put a new key first in that variable on every node (old ones after a comma), restart, and rotate again."""


class SecretUnreadableError(ConflictError):
    """A secret ({bound_to}) cannot be decrypted: {cause}. Put the key that encrypted it back into the key ring, or set the value anew."""


@dataclass(frozen=True, slots=True)
class _Key:
    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"_Key({self.id})"


class KeyRing:
    """The keys in use, newest first; make one with `load` or `parse`."""

    def __init__(self, keys: Sequence[bytes], *, path: Path | None = None) -> None:
        self._keys = tuple(_Key(id_of(secret), secret) for secret in keys)
        self._path = path

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.ids)})"

    @classmethod
    def load(cls, settings: Settings, *, ciphertext_exists: bool) -> Self:
        """The ring that the settings name, its file created if it may be; one of this module's `StartupError`s."""
        if settings.secret_keys is not None:
            return cls.parse(settings.secret_keys, place=VARIABLE)
        if not settings.url.startswith("sqlite"):
            raise KeysRequiredError
        path = settings.data_dir / FILE_NAME
        try:
            if not path.exists():
                if ciphertext_exists:
                    raise KeysMissingError(path=path)
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                create_private(path, HEADING + new_key() + "\n")
            return cls._read(path)
        except (OSError, UnicodeDecodeError) as error:
            raise KeyFileUnreadableError(
                path=path, cause=getattr(error, "strerror", None) or "it is not text"
            ) from error

    @classmethod
    def parse(cls, text: str, *, place: str = "the text given", path: Path | None = None) -> Self:
        """The ring of keys separated by commas or lines, `#` comments allowed; all mistakes in one `KeysMalformedError`."""
        lines = [line.partition("#")[0] for line in text.splitlines()]
        words = [word.strip() for line in lines for word in line.split(",") if word.strip()]
        mistakes = _mistakes(words)
        if mistakes:
            raise KeysMalformedError(place=place, summary="; ".join(mistakes), mistakes=mistakes)
        return cls([_decode(word) for word in words], path=path)

    @classmethod
    def _read(cls, path: Path) -> Self:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise KeyFileExposedError(path=path, mode=f"{mode:04o}")
        return cls.parse(path.read_text(encoding="utf-8"), place=str(path), path=path)

    @property
    def newest_id(self) -> str:
        """The id of the key that encrypts."""
        return self._keys[0].id

    @property
    def ids(self) -> tuple[str, ...]:
        """Every key's id, newest first."""
        return tuple(key.id for key in self._keys)

    def encrypt(self, plaintext: bytes, *, bound_to: str) -> bytes:
        """Encrypt with the newest key, for one place alone."""
        key, nonce = self._keys[0], os.urandom(NONCE_BYTES)
        header = FORMAT + bytes.fromhex(key.id) + nonce
        return header + AESGCM(key.secret).encrypt(nonce, plaintext, bound_to.encode())

    def decrypt(self, ciphertext: bytes, *, bound_to: str) -> bytes:
        """The plaintext; `SecretUnreadableError` if its key is not in the ring, or it was changed or moved."""
        key = self._find(self.key_id_of(ciphertext))
        if key is None:
            raise SecretUnreadableError(
                bound_to=bound_to, cause=f"its key {self.key_id_of(ciphertext)} is not in the key ring"
            )
        try:
            return AESGCM(key.secret).decrypt(
                ciphertext[HEADER_BYTES - NONCE_BYTES : HEADER_BYTES],
                ciphertext[HEADER_BYTES:],
                bound_to.encode(),
            )
        except (InvalidTag, ValueError) as error:
            raise SecretUnreadableError(
                bound_to=bound_to, cause="it was changed, or moved from another place"
            ) from error

    @staticmethod
    def key_id_of(ciphertext: bytes) -> str:
        """The id of the key that made a ciphertext; `(unknown format)` if it is none of ours."""
        if len(ciphertext) < HEADER_BYTES or not ciphertext.startswith(FORMAT):
            return "(unknown format)"
        return ciphertext[len(FORMAT) : len(FORMAT) + ID_BYTES].hex()

    def mac_key(self, purpose: str, key_id: str | None = None) -> tuple[str, bytes]:
        """A key (32 bytes) derived for one purpose from the newest key or the one named; `KeyError` if it is not in the ring."""
        key = self._keys[0] if key_id is None else self._find(key_id)
        if key is None:
            raise KeyError(key_id)
        return key.id, HKDF(SHA256(), KEY_BYTES, salt=None, info=f"isp-plugins/{purpose}".encode()).derive(
            key.secret
        )

    @property
    def is_kept_in_file(self) -> bool:
        """Whether the ring is a file of the data directory, which `rotate_file` can extend."""
        return self._path is not None

    def rotate_file(self) -> str:
        """Put a fresh key first, in the file and then here, and give its id; `KeysNotInFileError` for keys from the environment."""
        if self._path is None:
            raise KeysNotInFileError
        fresh = new_key()
        kept = [base64.urlsafe_b64encode(key.secret).decode() for key in self._keys]
        write_private(self._path, HEADING + "\n".join([fresh, *kept]) + "\n")
        secret = _decode(fresh)
        self._keys = (_Key(id_of(secret), secret), *self._keys)
        return self.newest_id

    def _find(self, key_id: str) -> _Key | None:
        return next((key for key in self._keys if key.id == key_id), None)


def new_key() -> str:
    """A fresh random key, as it is written in a file or variable."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def id_of(secret: bytes) -> str:
    """A key's public name: the first 8 hexadecimal digits of its SHA-256."""
    return sha256(secret).hexdigest()[: 2 * ID_BYTES]


def _decode(word: str) -> bytes:
    """The bytes of one written key; `ValueError` tells what is wrong without repeating it."""
    try:
        secret = base64.b64decode(word, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not urlsafe base64") from None
    if len(secret) != KEY_BYTES:
        raise ValueError(f"has {len(secret)} bytes instead of {KEY_BYTES}")
    return secret


def _mistakes(words: Sequence[str]) -> list[str]:
    """Everything that is wrong with the keys as written."""
    found, seen = [], set()
    for number, word in enumerate(words, 1):
        try:
            secret = _decode(word)
        except ValueError as error:
            found.append(f"key {number} of {len(words)} {error}")
            continue
        if id_of(secret) in seen:
            found.append(f"key {number} of {len(words)} is there twice")
        seen.add(id_of(secret))
    return found if words else ["there is no key"]
