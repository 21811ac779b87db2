"""The rules for making a key."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from isp_plugins.access import KeyInvalidError
from isp_plugins.access.tokens import hint_of, is_token, new_token
from isp_plugins.access.views import check_draft
from isp_plugins.testing import FakeClock

NOW = FakeClock().now()


def check_draft_with(**changes: Any) -> None:
    draft: dict[str, Any] = {
        "name": "ada",
        "role": "viewer",
        "plugins": None,
        "hooks": None,
        "expires_at": None,
    }
    check_draft(**(draft | changes), roles={"viewer"}, now=NOW)


def test_a_plain_key_is_fine() -> None:
    check_draft_with(plugins=["a"], hooks=["b"], expires_at=NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", ""),
        ("name", "  "),
        ("name", "a\x00"),
        ("name", "\ud800"),
        ("name", "a" * 201),
        ("role", "root"),
        ("plugins", []),
        ("plugins", [""]),
        ("hooks", ["a"] * 1001),
        ("expires_at", NOW),
        ("expires_at", datetime(2040, 1, 1)),  # noqa: DTZ001  a naive moment is what is refused
    ],
)
def test_a_mistake_is_named_by_its_path(path: str, value: Any) -> None:
    with pytest.raises(KeyInvalidError) as raised:
        check_draft_with(**{path: value})
    assert [mistake["path"] for mistake in raised.value.details] == [path]


def test_all_mistakes_are_reported_together() -> None:
    with pytest.raises(KeyInvalidError) as raised:
        check_draft_with(name="", role="root", plugins=[], hooks=[], expires_at=NOW)
    assert len(raised.value.details) == 5


def test_a_token_is_known_by_its_shape_and_never_the_same() -> None:
    one, other = new_token(), new_token()
    assert is_token(one)
    assert one != other


@pytest.mark.parametrize("text", ["", "isp_", "isp_short", "abc_" + "a" * 43, "isp_" + "a" * 43 + "\n"])
def test_another_text_is_no_token(text: str) -> None:
    assert not is_token(text)


def test_a_hint_gives_little_away() -> None:
    assert len(hint_of(new_token())) == 10
