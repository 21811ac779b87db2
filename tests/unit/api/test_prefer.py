"""`Prefer: wait=N`, as RFC 7240 has it."""

import pytest

from isp_plugins.api.errors import PreferInvalidError
from isp_plugins.api.resources.install import wait_of


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("return=minimal", None),
        ("wait=10", 10.0),
        ("respond-async, Wait=5", 5.0),
        ('wait="7"; x=y', 7.0),
        ("wait=0", 0.0),
    ],
)
def test_seconds_are_found_among_other_preferences(header, seconds):
    assert wait_of(header) == seconds


@pytest.mark.parametrize("header", ["wait", "wait=soon", "wait=-1", "wait=301", "wait=1.5", "wait=٣"])
def test_other_values_are_refused(header):
    with pytest.raises(PreferInvalidError, match="0 to 300 seconds"):
        wait_of(header)
