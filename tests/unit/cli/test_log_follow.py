"""How a followed line looks."""

from isp_plugins.cli.operate.log_follow import line_of

RECORD = {
    "at": "2030-01-01T00:00:00Z",
    "level": "ERROR",
    "plugin_name": "mailer",
    "hook": "customer_created",
    "method": "send",
    "message": "no [bold]such[/] mailbox",
    "duration_ms": 12.3456,
    "traceback": "Traceback ...",
}


def test_a_line_tells_when_how_bad_who_where_what_and_how_long():
    assert line_of(RECORD, tracebacks=False).plain == (
        "2030-01-01T00:00:00Z ERROR    mailer [customer_created send] no [bold]such[/] mailbox (12.3 ms)"
    )


def test_what_is_not_known_is_left_out():
    bare = RECORD | {"hook": None, "method": None, "duration_ms": None}
    assert (
        line_of(bare, tracebacks=False).plain
        == "2030-01-01T00:00:00Z ERROR    mailer no [bold]such[/] mailbox"
    )


def test_a_traceback_stands_below_where_it_is_wanted():
    assert line_of(RECORD, tracebacks=True).plain.endswith("\nTraceback ...")


def test_a_message_drives_no_terminal():
    hostile = RECORD | {"message": "\x1b]0;owned\x07", "traceback": "\x1b[2J"}
    shown = line_of(hostile, tracebacks=True).plain
    assert "\x1b" not in shown
    assert r"\x1b]0;owned\x07" in shown
