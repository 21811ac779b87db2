"""The README's own commands, pasted in their order, do what it says."""

import re
import subprocess
import sys

import pytest

from support.commands import ROOT, clean_environment, demonstration

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(console|python)\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def transcript(tmp_path_factory):
    """Every command of the README with what it printed, run in a folder that looks like a set-up clone."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "examples").symlink_to(ROOT / "examples")
    with demonstration(folder) as (port, smtp_port, _):
        yield [(command, paste(command, folder, port, smtp_port)) for command in commands(folder)]


def commands(folder):
    """The pasted lines, in order; the plugin of the text is saved where the text says."""
    for language, text in BLOCKS:
        if language == "python" and "class Greeter" in text:
            (folder / "var" / "plugins" / "greeter.py").write_text(text)
        elif language == "console":
            yield from (
                line[2:]
                for line in text.splitlines()
                if line.startswith("$ ") and not line.startswith("$ make")
            )


def paste(command, folder, port, smtp_port):
    """Run one line in a shell, with this test's ports instead of the fixed ones."""
    command = command.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace(
        "smtp_port=8025", f"smtp_port={smtp_port}"
    )
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def printed(transcript, part):
    """What the first command that contains this printed."""
    return next(output for command, (_, output) in transcript if part in command)


def test_every_command_succeeds(transcript):
    assert [(command, result) for command, result in transcript if result[0] != 0] == []


def test_welcome_mail_is_in_the_mailbox(transcript):
    assert "ada@example.org" in printed(transcript, "cat var/mailbox")


def test_own_plugin_answers_the_hook(transcript):
    dispatched = [output for command, (_, output) in transcript if "dispatch customer_created" in command]
    assert any("Welcome, Ada!" in output for output in dispatched)


def test_installed_package_answers_the_hook_and_goes_again(transcript):
    assert "Installed welcome_pack 1.0.0" in printed(transcript, "isp-plugins install")
    assert '"items": ["AX6000", "cable", "sticker"]' in printed(transcript, '"name": "Grace"')
    assert "Kept: configuration, storage" in printed(transcript, "--keep configuration,storage")


def test_copied_example_watches_its_device(transcript):
    assert '"devices": 1' in printed(transcript, "network_monitoring summary")


def test_curl_gets_a_completed_dispatch(transcript):
    assert '"status":"completed"' in printed(transcript, "curl").replace(" ", "")
