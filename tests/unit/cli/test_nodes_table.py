"""What `isp-plugins nodes` says of nodes that live, left, or were lost."""

import pytest

from isp_plugins.cli.operate.nodes import NODES
from isp_plugins.cli.output import table

NODE = {
    "name": "b", "is_self": False, "version": "1.0", "revision": "0010", "address": "http://b", "started_at": None,
    "plugins": {"active": 3}, "lag": 2,
}  # fmt: skip


def shown(capsys, **fields):
    table([NODE | fields], NODES, empty="")
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("state", "silent_s", "told"),
    [
        ("alive", 0.7, "http://b 0.7 s 3 active 2"),
        ("lost", 8.04, "http://b 8.0 s 3 active"),
        ("lost", 11_000, "http://b 3 h 3 active"),
        ("lost", 400_000, "http://b 5 d 3 active"),
        ("left", 11_000, "http://b 3 active"),
    ],
)
def test_silence_is_told_and_nothing_of_who_is_gone_that_nobody_knows(
    capsys, monkeypatch, state, silent_s, told
):
    monkeypatch.setenv("COLUMNS", "200")
    assert shown(capsys, state=state, silent_s=silent_s).endswith(f"b {state} 1.0 0010 {told}")
