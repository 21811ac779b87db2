"""The recipe `docs/recipes/email-on-failure.md`, its commands run as they stand there: a second plugin falls ill, and the mail arrives."""

import asyncio
import re
import shutil
import subprocess
import time

import pytest

from support.commands import ROOT, clean_environment, serving
from support.forked import COMMAND
from support.health import QUICK
from support.mail import mailbox
from support.server import ApiServer
from support.waiting import until

RECIPE = ROOT / "docs" / "recipes" / "email-on-failure.md"
PASSWORD = "correct-horse-battery"
FRAGILE = """
from pathlib import Path

from app.services.plugin_service import PluginInterface

FLAG = Path(__file__).with_suffix(".ill")


class Plugin(PluginInterface):
    def health_check(self):
        status = "unhealthy" if FLAG.exists() else "healthy"
        check = {"name": "gateway", "status": "fail" if FLAG.exists() else "pass", "message": "no answer"}
        return {"status": status, "checks": [check]}

    def work(self, payload):
        if FLAG.exists():
            raise ValueError("no gateway")
"""


def blocks():
    """The recipe's commands, block by block."""
    return re.findall(r"```sh\n(.*?)```", RECIPE.read_text(), re.DOTALL)


class Story:
    """A server, a mailbox, and a shell in which the recipe is followed."""

    def __init__(self, process, mail):
        self.process, self.mail = process, mail
        self.server = ApiServer(process)
        (process.folder / "examples").symlink_to(ROOT / "examples")

    def follow(self, text):
        """Run commands as somebody would paste them, with this test's mail server."""
        text = text.replace(
            "smtp_server=mail.example.net",
            f"smtp_server=localhost smtp_port={self.mail.port} ca_file={self.mail.ca_file}",
        )
        text = text.replace("password=secret", f"password={PASSWORD}")
        done = subprocess.run(
            ["bash", "-euc", text], cwd=self.process.folder, capture_output=True, text=True, timeout=90, check=False,
            env=clean_environment(PATH=f"{COMMAND.parent}:/usr/bin:/bin", ISP_PLUGINS_URL=self.process.url),
        )  # fmt: skip
        assert done.returncode in {0, 4}, done.stdout + done.stderr
        return done.stdout

    def plugin(self):
        """Another plugin, healthy, and the file that makes it ill."""
        plugin = self.server.plugin(FRAGILE, enabled=True)
        return plugin, self.process.folder / "var" / "plugins" / f"{plugin['name']}.ill"

    def until_mail(self, subject, within=60.0):
        deadline = time.monotonic() + within
        while True:
            for mail in tuple(self.mail.received):
                if subject in mail["subject"]:
                    return mail
            assert time.monotonic() < deadline, [mail["subject"] for mail in self.mail.received]
            time.sleep(0.02)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """The recipe followed up to its third step."""
    folder = tmp_path_factory.mktemp("recipe")
    with (
        mailbox(folder, username="isp", password=PASSWORD) as mail,
        serving(
            folder, **QUICK | {"ISP_PLUGINS_RESTART_LIMIT": "2", "ISP_PLUGINS_HEALTH_TIMEOUT": "5"}
        ) as process,
    ):
        story = Story(process, mail)
        shutil.rmtree(process.folder / "var" / "plugins", ignore_errors=True)
        (process.folder / "var" / "plugins").mkdir()
        story.said = [story.follow(block) for block in blocks()[:3]]
        yield story
        story.server.admin.close()


def test_commands_say_that_it_works(story):
    assert "send_operator_alert" in story.said[2]
    assert "email_notification" in story.said[2]


def test_mail_arrives_when_another_plugin_falls_ill_and_when_it_is_well_again(story):
    plugin, flag = story.plugin()
    flag.touch()
    mail = story.until_mail(f"{plugin['name']}: unhealthy")
    assert mail["to"] == "noc@example.net"
    assert "changed from healthy to unhealthy" in mail.get_content()
    assert "gateway: fail (no answer)" in mail.get_content()
    flag.unlink()
    assert "changed from unhealthy to healthy" in story.until_mail(f"{plugin['name']}: healthy").get_content()


def test_mail_arrives_when_a_plugin_is_quarantined(story):
    plugin = story.server.plugin(
        "from app.services.plugin_service import PluginInterface\n"
        "class Plugin(PluginInterface):\n    def health_check(self):\n        raise ValueError('broken')\n"
    )
    story.server.admin.post(f"/plugins/{plugin['id']}/enable").raise_for_status()
    mail = story.until_mail(f"{plugin['name']}: quarantined")
    assert "was quarantined" in mail.get_content()
    assert "does not answer its health checks" in mail.get_content()
    assert "It is tried again at" in mail.get_content()


def test_starting_and_stopping_a_plugin_sends_nothing(story):
    plugin, _ = story.plugin()
    before = len(story.mail.received)
    for operation in ("disable", "enable", "reload", "disable"):
        story.server.admin.post(f"/plugins/{plugin['id']}/{operation}").raise_for_status()
    other, flag = story.plugin()
    flag.touch()
    story.until_mail(f"{other['name']}: unhealthy")  # everything announced before it has been delivered
    assert not [mail for mail in story.mail.received[before:] if f"{plugin['name']}:" in mail["subject"]]


def test_narrower_condition_is_taken(story):
    story.follow(blocks()[3])
    hooks = story.follow("isp-plugins hooks of email_notification")
    assert 'new == "unhealthy" || old == "unhealthy"' in hooks


def test_last_command_says_that_something_needs_attention(story):
    _, flag = story.plugin()
    flag.touch()
    deadline = time.monotonic() + 60
    while "a plugin needs attention" not in story.follow(blocks()[4]):
        assert time.monotonic() < deadline


def test_ill_mail_plugin_does_not_go_in_circles(story):
    admin = story.server.admin
    mailer = admin.get("/plugins/", params={"name": "email_notification"}).json()["items"][0]
    story.follow("isp-plugins config set email_notification password=wrong")
    plugin, flag = story.plugin()

    def probe(plugin):
        return admin.get(f"/plugins/{plugin['id']}/health").json()

    def calls():
        (entry,) = admin.get("/hooks/plugin_health_changed").json()["chain"]
        return entry["counters"]["calls"]

    def come_to_rest():
        before = calls()
        for _ in range(3):
            probe(plugin)
        return calls() == before

    for number in range(8):
        flag.touch() if number % 2 == 0 else flag.unlink()
        probe(plugin)
    assert probe(mailer)["status"] == "unhealthy"
    asyncio.run(until(come_to_rest))
    assert calls() < 30
    assert admin.get("/hooks/plugin_hook_failed").json()["chain"] == []
