"""Server-sent events are read as the standard has it."""

from isp_plugins.cli.sse import ServerEvent, events_in, lines_of


def test_an_event_has_its_kind_data_and_id():
    assert list(events_in(["event: log", "data: {}", "id: 7", ""])) == [ServerEvent("log", "{}", "7")]


def test_lines_of_data_are_joined_and_one_blank_after_the_colon_is_dropped():
    assert next(events_in(["data:a", "data:  b", ""])) == ServerEvent("message", "a\n b", None)


def test_a_comment_is_skipped_and_an_id_alone_moves_the_position():
    assert list(events_in([": still here", "id: 9", ""], "7")) == [ServerEvent("", "", "9")]


def test_an_event_that_was_cut_off_is_none():
    assert list(events_in(["event: log", "data: {"])) == []


def test_the_last_id_stays():
    events = list(events_in(["id: 3", "data: a", "", "data: b", ""]))
    assert [event.id for event in events] == ["3", "3"]


def test_only_a_line_feed_ends_a_line_wherever_the_pieces_are_cut():
    text = "data: a\u2028b\x85c\r\n\r\ndata: d\n\n"
    for cut in range(len(text)):
        lines = list(lines_of([text[:cut], text[cut:]]))
        assert lines == ["data: a\u2028b\x85c", "", "data: d", ""]
