"""A notice is read as it was written, and what another version says is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.nodes.notices import Notice

NODES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True)


@given(NODES, st.integers(min_value=1, max_value=2**31 - 1))
def test_notice_is_read_as_it_was_written(node: str, plugin_id: int) -> None:
    assert Notice.of(Notice(node, plugin_id).text) == Notice(node, plugin_id)


@pytest.mark.parametrize(
    "text", ["", "plugin", "plugin one", "plugin one two", "plugin one -1", "key one 1", "alive"]
)
def test_what_is_not_understood_is_no_notice(text: str) -> None:
    assert Notice.of(text) is None


def test_later_versions_may_say_more() -> None:
    assert Notice.of("plugin one 7 enabled") == Notice("one", 7)


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    assert Notice.of(text) is None or text.startswith("plugin ")
