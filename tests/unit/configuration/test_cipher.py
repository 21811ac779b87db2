"""Secrets are bound to their plugin and key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.configuration.cipher import ConfigurationCipher
from isp_plugins.keyring import KeyRing, SecretUnreadableError, new_key

CIPHER = ConfigurationCipher(KeyRing.parse(new_key()))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(exclude_categories=("Cs",)))
)


@given(
    value=st.recursive(
        scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner), max_leaves=5
    )
)
def test_what_is_sealed_opens_again(value):
    assert CIPHER.open(7, "key", CIPHER.seal(7, "key", value)) == value


@pytest.mark.parametrize(("plugin_id", "key"), [(8, "key"), (7, "other")])
def test_a_moved_ciphertext_does_not_open(plugin_id, key):
    with pytest.raises(SecretUnreadableError):
        CIPHER.open(plugin_id, key, CIPHER.seal(7, "key", "value"))


def test_a_ciphertext_without_its_key_does_not_open():
    with pytest.raises(SecretUnreadableError):
        ConfigurationCipher(KeyRing.parse(new_key())).open(7, "key", CIPHER.seal(7, "key", "value"))


def test_equal_values_have_different_ciphertexts():
    assert CIPHER.seal(7, "key", "value") != CIPHER.seal(7, "key", "value")
