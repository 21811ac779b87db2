import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.packages.masking import masked, without_credentials


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pass@example.net/a.git", "https://example.net/a.git"),
        ("https://token@example.net:8443/a", "https://example.net:8443/a"),
        ("https://example.net/a?token=x#y", "https://example.net/a"),
        ("ssh://git@example.net/a.git", "ssh://git@example.net/a.git"),
        ("ssh://git:pass@example.net/a.git", "ssh://example.net/a.git"),
        ("file:///srv/a", "file:///srv/a"),
        ("https://a@b@example.net/x", "https://example.net/x"),
    ],
)
def test_url_is_shown_without_what_is_secret(url, shown):
    assert without_credentials(url) == shown


secrets = st.from_regex(r"[A-Za-z0-9!$&*+,;=._~-]{8,20}", fullmatch=True)


@given(
    secrets,
    st.text(st.characters(codec="ascii"), max_size=20),
    st.text(st.characters(codec="ascii"), max_size=20),
)
def test_password_in_a_text_is_never_shown(secret, before, after):
    text = f"{before} https://user:{secret}@example.net/simple/x {after} https://example.net/y?token={secret}"
    assert secret not in masked(text) or secret in before + after


def test_text_without_urls_stays():
    assert masked("name@example.net and a/b?c") == "name@example.net and a/b?c"
