"""An upgrade that asks for more waits for consent and shows the difference, over HTTP and to whoever types it."""

import json

import pytest

from support.commands import run
from support.installing import MANIFEST, installed, plugin
from support.terminal import on_a_terminal

ASKS = (
    "network: mail.example.net:587 (connect over TCP, by way of the host)",
    "host_calls: emit:* (tell events to other plugins); weaker than the others",
)


def wheels(packages, name):
    """Version 1.0.0, and a 1.1.0 that wants more of the host, less of the secrets, and binds itself to little memory."""
    wanting = (
        MANIFEST.replace(
            'host_calls = ["storage"]',
            'host_calls = ["storage", "emit:*"]\nnetwork = ["mail.example.net:587"]',
        ).replace('secrets = ["password"]\n', "")
        + "\n[limits]\nmemory_mb = 128\n"
    )
    return plugin(packages / "1", name), plugin(packages / "2", name, version="1.1.0", manifest=wanting)


@pytest.fixture
def isp(server):
    """Runs a command against the server, as somebody at its machine."""
    return lambda *arguments: run(*arguments, cwd=server.process.folder)


def test_command_shows_the_difference_and_waits_for_consent(isp, api, packages):
    first, second = wheels(packages, "wanting")
    plugin_id = installed(api, first, auto_enable=True)["id"]

    tried = isp("upgrade", "wanting", second, "--dry-run")
    assert tried.returncode == 0, tried.stderr
    told = tried.stdout.splitlines()
    assert [line for line in told if line.startswith("It asks for")] == [
        *(f"It asks for more: {line}" for line in ASKS),
        "It asks for less: secrets: password (is handed this secret)",
    ]
    assert told[-1] == "It would wait for consent: isp-plugins upgrade ... --accept-grants"

    refused = isp("upgrade", "wanting", second)
    assert refused.returncode == 1
    assert all(line in refused.stderr for line in ASKS)
    assert "memory" not in refused.stderr
    assert "password" not in refused.stderr
    assert "--accept-grants" in refused.stderr
    assert api.get(f"/plugins/{plugin_id}").json()["version"] == "1.0.0"

    done = isp("upgrade", "wanting", second, "--accept-grants")
    assert done.returncode == 0, done.stderr
    assert "wanting is version 1.1.0 now (active)" in done.stdout


def test_api_tells_the_difference_as_mistakes_and_takes_consent(api, packages):
    first, second = wheels(packages, "asking")
    plugin_id = installed(api, first)["id"]

    def upgrade(**fields):
        with second.open("rb") as stream:
            answer = api.post(
                f"/plugins/{plugin_id}/upgrade",
                data={key: json.dumps(value) for key, value in fields.items()},
                files={"file": (second.name, stream)},
                headers={"Prefer": "wait=60"},
                timeout=120,
            )
        return answer.raise_for_status().json()

    refused = upgrade()
    assert refused["state"] == "failed"
    assert refused["error"]["type"] == "/problems/grants-not-accepted"
    assert [one["message"] for one in refused["error"]["errors"]] == [*ASKS]
    assert api.get(f"/plugins/{plugin_id}").json()["version"] == "1.0.0"

    done = upgrade(accept_grants=True)
    assert (done["state"], done["error"]) == ("succeeded", None)
    entries = api.get("/audit", params={"tag": "plugin.upgraded"}).json()["items"]
    accepted = next(one for one in entries if one["subject_id"] == str(plugin_id))["details"]["grants"]
    assert accepted["network"] == ["mail.example.net:587"]
    assert accepted["host_calls"] == ["storage", "emit:*"]
    shown = api.get(f"/plugins/{plugin_id}").json()["release"]["grants"]
    assert {(one["grant"], one["what"], one["is_weak"]) for one in shown} == {
        ("network", "mail.example.net:587", False),
        ("host_calls", "storage", False),
        ("host_calls", "emit:*", True),
        ("memory_mb", "128", False),
    }


@pytest.mark.parametrize(("answer", "version"), [(b"n\n", "1.0.0"), (b"y\n", "1.1.0")])
def test_terminal_asks_and_goes_on_as_it_is_told(server, api, packages, answer, version):
    name = f"asked_{answer.strip().decode()}"
    first, second = wheels(packages, name)
    plugin_id = installed(api, first)["id"]
    with on_a_terminal(("upgrade", name, second), cwd=server.process.folder) as seen:
        seen.wait_for("Accept that? [y/N]:")
        assert ASKS[0] in seen.text
        seen.type(answer)
        assert seen.wait() == (0 if version == "1.1.0" else 1), seen.text
    assert api.get(f"/plugins/{plugin_id}").json()["version"] == version
