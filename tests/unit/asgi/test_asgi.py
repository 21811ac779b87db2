"""Rules of `asgi`: the port, the address it is reached at, and the application for other servers."""

import socket

import pytest

from isp_plugins.asgi import Application, PortUnusableError, bind, url_of
from isp_plugins.settings import Settings


@pytest.fixture
def listener():
    with bind("127.0.0.1", 0) as bound:
        bound.listen()
        yield bound


async def lived(application, messages):
    """What a lifespan of the application answers."""
    sent = []

    async def receive():
        return {"type": messages.pop(0)}

    async def send(message):
        sent.append(message)

    await application({"type": "lifespan"}, receive, send)
    return sent


def test_free_port_is_taken_and_told(listener):
    port = listener.getsockname()[1]
    assert url_of(listener) == f"http://127.0.0.1:{port}"


def test_port_in_use_is_refused_with_what_to_do(listener):
    port = listener.getsockname()[1]
    with pytest.raises(PortUnusableError, match=f"127.0.0.1:{port} cannot be listened on.*--port"):
        bind("127.0.0.1", port)


def test_address_that_is_none_is_refused():
    with pytest.raises(PortUnusableError):
        bind("nowhere.invalid", 0)


def test_server_on_all_addresses_is_reached_on_this_machine():
    with bind("0.0.0.0", 0) as everywhere:
        assert url_of(everywhere).startswith("http://127.0.0.1:")


@pytest.mark.skipif(not socket.has_ipv6, reason="the machine has no IPv6")
def test_ipv6_address_is_bracketed():
    try:
        listener = bind("::1", 0)
    except PortUnusableError:
        pytest.skip("the machine has no IPv6 loopback")
    with listener:
        assert url_of(listener).startswith("http://[::1]:")


async def test_application_opens_and_closes_the_system_in_its_lifespan(settings):
    application = Application(settings)
    sent = await lived(application, ["lifespan.startup", "lifespan.shutdown"])
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


async def test_start_that_fails_is_told_to_the_server(tmp_path):
    (tmp_path / "file").write_text("")
    sent = await lived(Application(Settings(data_dir=tmp_path / "file")), ["lifespan.startup"])
    assert sent[0]["type"] == "lifespan.startup.failed"
    assert str(tmp_path / "file") in sent[0]["message"]


async def test_request_before_the_lifespan_is_a_mistake_of_the_server(settings):
    with pytest.raises(RuntimeError, match="lifespan"):
        await Application(settings)({"type": "http"}, None, None)
