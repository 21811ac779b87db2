"""What plugins log seriously shows in the server's own log, but cannot flood it."""

import logging

from isp_plugins.telemetry.mirror import MOST, PERIOD_S, Mirror


def rows(clock, count, level="ERROR"):
    return [
        {"level": level, "plugin_name": "p", "message": f"m {n}", "at": clock.now(), "traceback": None}
        for n in range(count)
    ]


def test_only_serious_records_are_repeated(clock, caplog):
    Mirror(clock)([*rows(clock, 1, "INFO"), *rows(clock, 1, "WARNING")])
    assert caplog.messages == ["p: m 0"]


def test_a_period_has_room_for_so_many_and_says_when_it_is_full(clock, caplog):
    mirror = Mirror(clock)
    for _ in range(3):
        mirror(rows(clock, MOST - 10))
    assert len(caplog.messages) == MOST + 1
    assert "GET /api/v1/plugins/logs has the others" in caplog.messages[-1]


def test_the_next_period_has_room_again(clock, caplog):
    mirror = Mirror(clock)
    mirror(rows(clock, MOST * 2))
    caplog.clear()
    clock.advance(PERIOD_S)
    mirror(rows(clock, 1))
    assert caplog.messages == ["p: m 0"]


def test_a_plugin_cannot_write_what_looks_like_a_line_of_the_host(clock, caplog):
    (row,) = rows(clock, 1)
    forged = "2030-01-01 CRITICAL isp_plugins.audit: the chain is whole"
    Mirror(clock)([row | {"message": f"oops\n{forged}\x1b[2J", "traceback": f"Traceback\n{forged}"}])
    (record,) = caplog.records
    assert record.getMessage() == rf"p: oops\n{forged}\x1b[2J"
    shown = logging.Formatter("%(message)s").format(record)
    assert [line for line in shown.splitlines() if line.startswith("2030")] == []
