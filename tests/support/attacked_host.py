"""A whole host with a hostile plugin and a few others, in a process of its own so that any user can be it: `attacked_host.py FOLDER`; prints what became of each attack as JSON."""

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

from isp_plugin_sdk.sandbox.privileges import exists_here
from isp_plugins.actors import Actor, ActorType
from isp_plugins.audit import AuditFilters
from isp_plugins.contracts.vocabulary import PluginType, RuntimeKind
from isp_plugins.lifecycle.orders import InstallOrder, SourceType
from isp_plugins.lifecycle.records import PluginDraft
from isp_plugins.packages.values import Source, SourceKind
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.host_attacks import ALL, PLUGIN, SECRET
from support.packages import FilePackages, package
from support.waiting import until

ADA = Actor(ActorType.API_KEY, "7", "ada")
WITHIN_S = 60
FIRST_UID = 1_879_048_192 if exists_here(1_879_048_192 + 10_000) else 65_000


class AttackedHost:
    """One system, its plugins by name, and a listener that counts who came."""

    def __init__(self, system, folder, listener):
        self.system = system
        self.folder = folder
        self.listener = listener
        self.ids = {}

    async def install(self, name, **grants):
        file = package(self.folder / "packages", name, source=PLUGIN, grants=grants)
        source = Source(SourceKind.UPLOAD, str(file), name=file.name)
        order = InstallOrder(source_type=SourceType.UPLOAD, source=source, accept_grants=True, auto_enable=True, configuration={"password": SECRET})  # fmt: skip
        begun = await self.system.installer.begin(order, ADA)
        ended = await self.system.operations.wait(begun.id, WITHIN_S)
        assert ended.error is None, ended.error
        self.ids[name] = self.system.directory.by_name(name).id

    async def trust(self):
        """A plugin of the operator's own, which has no sandbox."""
        (self.folder / "data" / "plugins").mkdir(parents=True, exist_ok=True)
        (self.folder / "data" / "plugins" / "trusted.py").write_text(PLUGIN)
        draft = PluginDraft(
            name="trusted", display_name="", description="", version="1.0.0", author="", plugin_type=PluginType.CUSTOM, module_path="plugins.trusted", entry_point="Plugin", runtime=RuntimeKind.PROCESS
        )  # fmt: skip
        record = await self.system.manager.register(draft, ADA)
        await self.system.manager.enable(record.id, ADA)
        self.ids["trusted"] = record.id

    async def ask(self, name, method, *parameters):
        return (await self.system.manager.execute(self.ids[name], method, list(parameters), ADA)).value

    async def prepare(self):
        port = self.listener.getsockname()[1]
        await self.install("hostile", host_calls=["storage"])
        await self.install("victim", host_calls=["storage"])
        await self.install("granted", host_calls=["storage", "dispatch"], network=[f"127.0.0.1:{port}"], secrets=["password"])  # fmt: skip
        await self.trust()
        data = self.system.settings.data_dir.absolute()
        return {
            "key": str(data / "secrets.key"),
            "database": str(data / "isp-plugins.db"),
            "pid": os.getpid(),
            "port": port,
            "id": self.ids["victim"],
            "folder": await self.ask("victim", "keep", SECRET),
            "code": str(next((data / "artifacts").glob("*/code/victim_code.py"))),
        }

    async def is_unharmed(self):
        """The other plugin has what it had, was not called, and answers."""
        kept = await self.ask("victim", "attack", "value = [context.get('secret'), context.list('')]", {})
        return kept["value"] == [SECRET, ["secret"]] and await self.ask("victim", "take_heard") == []

    async def tried(self, attack, host):
        got = await self.ask("hostile", "attack", attack.code, host)
        unharmed = await self.is_unharmed()
        other = None
        if attack.without in self.ids:
            other = await self.ask(attack.without, "attack", attack.code, host)
        return {"got": got, "unharmed": unharmed, "without": other}

    async def forge_replies(self):
        """While another plugin's call waits, a reply to every number there can be: to its own call the host takes it."""
        waiting = asyncio.create_task(self.ask("victim", "hold"))
        await until(lambda: self.ask("victim", "holds"), within=WITHIN_S)
        code = "for number in range(1, 500): say(id=number, result='forged')"
        own = await self.ask("hostile", "attack", code, {})
        await self.ask("victim", "release")
        return {"got": await waiting, "unharmed": await self.is_unharmed(), "without": own}

    async def told(self):
        await self.system.audit.flush(everything=True)
        page = await self.system.audit.page(filters=AuditFilters(tag="grant.denied"))
        return [[entry.subject_id, entry.outcome, entry.details["what"]] for entry in page.items]


async def main(folder):
    settings = Settings(data_dir=folder / "data", sandbox_first_uid=FIRST_UID, drain_timeout=2.0, worker_handshake_timeout=60.0, load_timeout=60.0, initialize_timeout=60.0)  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with PluginSystem.open(settings, packages=FilePackages(settings)) as system:
            attacked = AttackedHost(system, folder, listener)
            host = await attacked.prepare()
            ended = {name: await attacked.tried(attack, host) for name, attack in ALL.items()}
            ended["a forged reply"] = await attacked.forge_replies()
            print(json.dumps({"ended": ended, "host": host, "told": await attacked.told()}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
