"""The log as a stream of server-sent events, against a real server."""

import contextlib
import json
import threading

import httpx
import pytest

from support.log_stream import CHATTY, execute, following, messages, records
from support.server import api_server, assert_problem
from support.waiting import wait_until


def test_lines_come_as_they_are_written(server, plugin):
    with following(server.admin, plugin_id=plugin["id"], tail=1) as events:
        records(events, 1)
        execute(server, plugin, "say", "hello", 3)
        assert messages(events, 3) == ["hello 0", "hello 1", "hello 2"]


def test_a_record_looks_as_in_a_page(server, plugin):
    execute(server, plugin, "say", "same")
    page = server.admin.get("/plugins/logs", params={"plugin_id": plugin["id"], "size": 1}).json()
    with following(server.admin, plugin_id=plugin["id"], tail=1) as events:
        assert records(events, 1) == page["items"]


def test_a_reader_goes_on_where_it_was_without_gap_or_duplicate(server, plugin):
    with following(server.admin, plugin_id=plugin["id"], tail=1) as events:
        records(events, 1)
        execute(server, plugin, "say", "first", 5)
        last = records(events, 5)[-1]["id"]
    execute(server, plugin, "say", "while away", 250)
    with following(server.admin, plugin_id=plugin["id"], last_event_id=last) as events:
        assert messages(events, 250) == [f"while away {number}" for number in range(250)]
        execute(server, plugin, "say", "after")
        assert messages(events, 1) == ["after 0"]


def test_only_what_matches_the_filters_comes(server, plugin):
    with following(server.admin, plugin_id=plugin["id"], level="WARNING", q="wanted", tail=0) as events:
        next(events)
        execute(server, plugin, "say", "wanted", 1, "INFO")
        execute(server, plugin, "say", "other", 1, "ERROR")
        execute(server, plugin, "say", "wanted", 1, "ERROR")
        assert [(it["message"], it["level"]) for it in records(events, 1)] == [("wanted 0", "ERROR")]


def test_since_begins_in_the_past_and_until_ends_it(server, plugin):
    execute(server, plugin, "say", "past", 3)
    page = server.admin.get("/plugins/logs", params={"plugin_id": plugin["id"], "q": "past"}).json()
    first, last = page["items"][-1], page["items"][0]
    with following(
        server.admin, plugin_id=plugin["id"], since=first["at"], until=last["at"], q="past"
    ) as events:
        found = list(events)
    shown = [json.loads(event.data)["id"] for event in found if event.kind == "log"]
    assert shown == [it["id"] for it in reversed(page["items"]) if it["at"] < last["at"]]
    assert json.loads(found[-1].data)["reason"] == "finished"


@pytest.mark.parametrize(
    ("parameters", "headers", "slug"),
    [
        ({"colour": "red"}, {}, "parameter-unknown"),
        ({"level": "LOUD"}, {}, "body-invalid"),
        ({"size": 5}, {}, "parameter-unknown"),
        ({}, {"Last-Event-ID": "yesterday"}, "last-event-id-invalid"),
    ],
)
def test_what_is_not_understood_is_refused(api, parameters, headers, slug):
    assert_problem(api.get("/plugins/logs/stream", params=parameters, headers=headers), 422, slug)


@pytest.fixture
def api(server):
    return server.admin


def test_a_key_without_the_scope_is_refused(server):
    with server.client(server.key("caller")) as client:
        assert_problem(client.get("/plugins/logs/stream"), 403)


def test_a_limited_key_must_name_one_of_its_plugins(server, plugin):
    other = server.plugin(CHATTY)
    with server.client(server.key("viewer", plugins=[plugin["name"]])) as client:
        assert_problem(client.get("/plugins/logs/stream"), 403, "key-limited")
        assert_problem(client.get("/plugins/logs/stream", params={"plugin_id": other["id"]}), 403)
        with following(client, plugin_id=plugin["id"], tail=1) as events:
            assert len(records(events, 1)) == 1


def test_a_revoked_key_ends_its_stream(server):
    created = server.admin.post("/keys", json={"name": "short", "role": "viewer"}).json()
    with server.client(created["token"]) as client, following(client) as events:
        next(events)
        server.admin.delete(f"/keys/{created['id']}").raise_for_status()
        *_, last = events
    end = json.loads(last.data)
    assert (last.kind, end["reason"], end["problem"]) == ("end", "refused", "revoked-key")


def test_a_restored_database_is_told(server):
    with following(server.admin, last_event_id=2**62) as events:
        event = next(event for event in events if event.kind == "missed")
    assert json.loads(event.data)["reason"] == "position_unknown"


def test_readers_are_limited(server):
    with contextlib.ExitStack() as opened, server.client(server.process.admin_key) as client:
        for _ in range(65):
            request = client.build_request("GET", "/plugins/logs/stream")
            stream = client.send(request, stream=True)
            opened.callback(stream.close)
            if stream.is_error:
                break
        stream.read()
        assert_problem(stream, 503, "too-many-followers")
    assert wait_until(lambda: followers(server) == 0)


def test_streams_end_when_the_server_is_told_to_stop(tmp_path):
    with api_server(tmp_path) as server, following(server.admin) as events:
        next(events)
        ended = []
        reader = threading.Thread(target=lambda: ended.extend(events))
        reader.start()
        assert server.process.stop() == 0
        reader.join(timeout=60)
        assert json.loads(ended[-1].data)["reason"] == "finished"
        assert "Traceback" not in server.process.log.read_text()


def test_a_reader_that_goes_away_is_let_go(server):
    wait_until(lambda: followers(server) == 0)  # those of the tests before
    with (
        httpx.Client(base_url=server.admin.base_url, headers=server.admin.headers, timeout=60) as client,
        following(client) as events,
    ):
        next(events)
        assert followers(server) == 1
    assert wait_until(lambda: followers(server) == 0)


def followers(server):
    return server.admin.get("/plugins/logs/usage").json()["followers"]
