"""The key ring: encryption, files, rotation."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.errors import StartupError
from isp_plugins.keyring import (
    KeyFileExposedError,
    KeyFileUnreadableError,
    KeyRing,
    KeysMalformedError,
    KeysMissingError,
    KeysNotInFileError,
    KeysRequiredError,
    SecretUnreadableError,
    new_key,
)
from isp_plugins.settings import Settings

PLACE = "configuration/7/password"


def ring(*keys: str) -> KeyRing:
    return KeyRing.parse(",".join(keys or [new_key()]))


@given(st.binary(max_size=300), st.text(max_size=50))
def test_what_is_encrypted_comes_back(plaintext: bytes, place: str) -> None:
    place = place.encode("utf-8", "replace").decode()
    keys = ring()
    assert keys.decrypt(keys.encrypt(plaintext, bound_to=place), bound_to=place) == plaintext


def test_the_same_secret_never_looks_the_same(keyring: KeyRing) -> None:
    assert keyring.encrypt(b"x", bound_to=PLACE) != keyring.encrypt(b"x", bound_to=PLACE)


def test_a_moved_ciphertext_does_not_decrypt(keyring: KeyRing) -> None:
    with pytest.raises(SecretUnreadableError, match=r"configuration/8/password.*moved"):
        keyring.decrypt(keyring.encrypt(b"x", bound_to=PLACE), bound_to="configuration/8/password")


@given(st.integers(0, 30), st.integers(1, 255))
def test_a_changed_ciphertext_does_not_decrypt(place: int, change: int) -> None:
    keys = ring()
    ciphertext = bytearray(keys.encrypt(b"secret value", bound_to=PLACE))
    ciphertext[place] ^= change
    with pytest.raises(SecretUnreadableError):
        keys.decrypt(bytes(ciphertext), bound_to=PLACE)


@pytest.mark.parametrize("ciphertext", [b"", b"\x01", b"\x02" * 40, b"\x01" * 17])
def test_what_is_no_ciphertext_does_not_decrypt(keyring: KeyRing, ciphertext: bytes) -> None:
    with pytest.raises(SecretUnreadableError):
        keyring.decrypt(ciphertext, bound_to=PLACE)


def test_a_wrong_key_names_the_one_that_is_needed(keyring: KeyRing) -> None:
    ciphertext = ring().encrypt(b"x", bound_to=PLACE)
    with pytest.raises(SecretUnreadableError, match=KeyRing.key_id_of(ciphertext)):
        keyring.decrypt(ciphertext, bound_to=PLACE)


def test_an_older_key_still_decrypts_and_the_newest_encrypts() -> None:
    old, new = new_key(), new_key()
    ciphertext = ring(old).encrypt(b"x", bound_to=PLACE)
    both = ring(new, old)
    assert both.decrypt(ciphertext, bound_to=PLACE) == b"x"
    assert KeyRing.key_id_of(both.encrypt(b"x", bound_to=PLACE)) == both.newest_id == both.ids[0]


def test_derived_keys_differ_by_purpose_and_key() -> None:
    keys = ring(new_key(), new_key())
    derived = {keys.mac_key(purpose, key_id)[1] for purpose in ("audit", "other") for key_id in keys.ids}
    assert len(derived) == 4
    assert {len(key) for key in derived} == {32}


def test_an_unknown_key_is_not_derived_from(keyring: KeyRing) -> None:
    with pytest.raises(KeyError):
        keyring.mac_key("audit", "00000000")


def test_the_first_start_makes_a_private_file(settings: Settings) -> None:
    first = KeyRing.load(settings, ciphertext_exists=False)
    assert (settings.data_dir / "secrets.key").stat().st_mode & 0o777 == 0o600
    assert KeyRing.load(settings, ciphertext_exists=True).ids == first.ids
    assert [path.name for path in settings.data_dir.iterdir()] == ["secrets.key"]


def test_a_lost_file_is_never_replaced_while_there_are_secrets(settings: Settings) -> None:
    with pytest.raises(KeysMissingError, match=r"secrets\.key is gone"):
        KeyRing.load(settings, ciphertext_exists=True)
    assert not (settings.data_dir / "secrets.key").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_an_exposed_file_is_refused(settings: Settings, mode: int) -> None:
    KeyRing.load(settings, ciphertext_exists=False)
    (settings.data_dir / "secrets.key").chmod(mode)
    with pytest.raises(KeyFileExposedError, match=f"mode {mode:04o}.*chmod 600"):
        KeyRing.load(settings, ciphertext_exists=True)


def test_a_folder_is_no_key_file(settings: Settings) -> None:
    (settings.data_dir / "secrets.key").mkdir(mode=0o700, parents=True)
    with pytest.raises(KeyFileUnreadableError):
        KeyRing.load(settings, ciphertext_exists=True)


def test_a_key_file_that_is_no_text_is_refused(settings: Settings) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "secrets.key").write_bytes(b"\xff\xfe")
    (settings.data_dir / "secrets.key").chmod(0o600)
    with pytest.raises(KeyFileUnreadableError, match="not text"):
        KeyRing.load(settings, ciphertext_exists=True)


def test_postgresql_needs_the_keys_given(tmp_path: Path) -> None:
    with pytest.raises(KeysRequiredError, match="ISP_PLUGINS_SECRET_KEYS"):
        KeyRing.load(Settings(data_dir=tmp_path, database_url="postgresql://h/x"), ciphertext_exists=False)


def test_given_keys_come_before_the_file(tmp_path: Path) -> None:
    given = new_key()
    settings = Settings(data_dir=tmp_path, secret_keys=given)
    assert KeyRing.load(settings, ciphertext_exists=False).ids == ring(given).ids
    assert list(tmp_path.iterdir()) == []


def test_all_mistakes_are_named_together_without_the_keys() -> None:
    good, short = new_key(), base64.urlsafe_b64encode(b"s" * 16).decode()
    with pytest.raises(KeysMalformedError) as raised:
        KeyRing.parse(f"{good},{short},no!base64,{good}", place="ISP_PLUGINS_SECRET_KEYS")
    message = str(raised.value)
    assert (
        "key 2 of 4 has 16 bytes instead of 32; key 3 of 4 is not urlsafe base64; key 4 of 4 is there twice"
        in message
    )
    assert not any(secret in message for secret in (good, short, "no!base64"))


@pytest.mark.parametrize("text", ["", " , ", "# only a comment"])
def test_no_key_at_all_is_refused(text: str) -> None:
    with pytest.raises(KeysMalformedError, match="there is no key"):
        KeyRing.parse(text)


def test_rotation_puts_a_fresh_key_first_in_the_file(settings: Settings) -> None:
    keys = KeyRing.load(settings, ciphertext_exists=False)
    old = keys.newest_id
    ciphertext = keys.encrypt(b"x", bound_to=PLACE)
    fresh = keys.rotate_file()
    again = KeyRing.load(settings, ciphertext_exists=True)
    assert keys.ids == again.ids == (fresh, old)
    assert again.decrypt(ciphertext, bound_to=PLACE) == b"x"
    assert (settings.data_dir / "secrets.key").stat().st_mode & 0o777 == 0o600


def test_keys_that_are_given_are_rotated_where_they_are_given(keyring: KeyRing) -> None:
    with pytest.raises(KeysNotInFileError, match="ISP_PLUGINS_SECRET_KEYS"):
        keyring.rotate_file()


def test_a_ring_never_shows_its_keys() -> None:
    key = new_key()
    keys = ring(key)
    shown = repr(keys) + repr(vars(keys))
    assert key not in shown
    assert repr(base64.urlsafe_b64decode(key)) not in shown


def test_every_refusal_to_start_is_a_startup_error() -> None:
    for error in (
        KeysMalformedError,
        KeyFileExposedError,
        KeyFileUnreadableError,
        KeysMissingError,
        KeysRequiredError,
    ):
        assert issubclass(error, StartupError)
