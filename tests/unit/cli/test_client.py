"""Where the command line finds its server and its key."""

import json

import httpx
import pytest
import typer

from isp_plugins.cli.client import Client, Target
from isp_plugins.cli.exits import Exit


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    monkeypatch.delenv("ISP_PLUGINS_URL", raising=False)
    monkeypatch.delenv("ISP_PLUGINS_API_KEY", raising=False)


def test_default_url_is_the_loopback_address(tmp_path):
    assert Target.find(url=None, api_key=None, data_dir=tmp_path).url == "http://127.0.0.1:8080"


def test_option_wins_over_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ISP_PLUGINS_URL", "http://127.0.0.1:1")
    assert Target.find(url="http://127.0.0.1:2/", api_key=None, data_dir=tmp_path).url == "http://127.0.0.1:2"


def test_admin_key_is_used_on_this_machine(tmp_path):
    (tmp_path / "admin.key").write_text("isp_secret\n")
    assert Target.find(url=None, api_key=None, data_dir=tmp_path).api_key == "isp_secret"


def test_admin_key_never_travels_to_another_machine(tmp_path):
    (tmp_path / "admin.key").write_text("isp_secret\n")
    assert Target.find(url="http://plugins.example.net", api_key=None, data_dir=tmp_path).api_key is None


def test_given_key_travels_anywhere(tmp_path):
    assert (
        Target.find(url="http://plugins.example.net", api_key="isp_mine", data_dir=tmp_path).api_key
        == "isp_mine"
    )


def answering(monkeypatch, status, body, content_type="application/problem+json"):
    """A client whose server gives one answer."""
    client = Client(Target("http://127.0.0.1:1", None))
    transport = httpx.MockTransport(
        lambda _: httpx.Response(status, content=body, headers={"content-type": content_type})
    )
    client._http = httpx.Client(base_url="http://127.0.0.1:1", transport=transport)
    return client


def test_problem_becomes_a_message_with_its_mistakes(monkeypatch, capsys):
    problem = {
        "title": "Invalid",
        "detail": "Two mistakes.",
        "errors": [{"path": "port", "message": "expected a number"}],
    }
    with pytest.raises(typer.Exit) as end:
        answering(monkeypatch, 422, json.dumps(problem)).get("/x")
    assert end.value.exit_code == Exit.REFUSED
    assert "Two mistakes." in (said := capsys.readouterr().err)
    assert "port: expected a number" in said


def test_refused_authentication_says_how_to_give_a_key(monkeypatch, capsys):
    with pytest.raises(typer.Exit):
        answering(monkeypatch, 401, b'{"title": "Unauthorized", "detail": "No key."}').get("/x")
    assert "--api-key" in capsys.readouterr().err


def test_foreign_server_is_named(monkeypatch, capsys):
    with pytest.raises(typer.Exit):
        answering(monkeypatch, 502, b"<html>proxy</html>", "text/html").get("/x")
    assert "does not answer like this API" in capsys.readouterr().err


def test_unreachable_server_has_its_own_exit_code(capsys):
    with pytest.raises(typer.Exit) as end:
        Client(Target("http://127.0.0.1:9", None)).get("/x")
    assert end.value.exit_code == Exit.UNREACHABLE
    assert "isp-plugins serve" in capsys.readouterr().err
