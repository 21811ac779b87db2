"""A plugin that listens on a port is reloaded while clients come all the time: in product, with real connections and datagrams."""

import asyncio
import socket
import threading

import pytest

from isp_plugins.actors import Actor, ActorType
from isp_plugins.configuration import ConfigChange, SetValue
from isp_plugins.lifecycle.errors import ConfigurationRefusedError
from isp_plugins.lifecycle.orders import InstallOrder, SourceType
from isp_plugins.packages.values import Source, SourceKind
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.packages import FilePackages, package
from support.waiting import until

ADA = Actor(ActorType.API_KEY, "7", "ada")
LONG_S = 60
ASYNCIO = """
import asyncio, os
from app.services.plugin_service import PluginInterface

class Plugin(PluginInterface):
    def initialize(self):
        return True

    async def activate(self):
        self.open = set()
        self.server = await asyncio.start_server(self.answer, "127.0.0.1", {port})

    async def answer(self, reader, writer):
        self.open.add(asyncio.current_task())
        try:
            text = await reader.readline()
            writer.write(b"%d %s" % (os.getpid(), text))
            await writer.drain()
        finally:
            writer.close()
            self.open.discard(asyncio.current_task())

    async def cleanup(self):
        self.server.close()
        await asyncio.gather(*self.open, return_exceptions=True)
"""
THREADS = """
import os, socketserver, threading
from app.services.plugin_service import PluginInterface

class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"%d %s" % (os.getpid(), self.rfile.readline()))

class Server(socketserver.ThreadingTCPServer):
    request_queue_size = 100

class Plugin(PluginInterface):
    def initialize(self):
        return True

    def activate(self):
        self.server = Server(("127.0.0.1", {port}), Answer)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def cleanup(self):
        self.server.shutdown()
        self.server.server_close()
"""
BLOCKING = """
import os, socket, threading
from app.services.plugin_service import PluginInterface

class Plugin(PluginInterface):
    def initialize(self):
        return True

    def activate(self):
        self.listener = socket.create_server(("127.0.0.1", {port}))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as file:
                file.write(b"%d %s" % (os.getpid(), file.readline()))

    def cleanup(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
"""
SOURCES = {"asyncio": ASYNCIO, "threads": THREADS, "accept in a thread": BLOCKING}


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
async def system(tmp_path):
    settings = Settings(data_dir=tmp_path / "data", drain_timeout=2.0, worker_handshake_timeout=LONG_S, load_timeout=LONG_S, initialize_timeout=LONG_S)  # fmt: skip
    async with PluginSystem.open(settings, packages=FilePackages(settings)) as opened:
        yield opened


async def install(system, folder, source, **manifest):
    file = package(folder / "packages", source=source, **manifest)
    order = InstallOrder(source_type=SourceType.UPLOAD, source=Source(SourceKind.UPLOAD, str(file), name=file.name), accept_grants=True, auto_enable=True)  # fmt: skip
    ended = await system.operations.wait((await system.installer.begin(order, ADA)).id, LONG_S)
    assert ended.error is None, ended.error
    return system.directory.by_name("sample").id


class Clients:
    """Connect without a pause, each in a thread of its own; what they got, and what went wrong."""

    def __init__(self, port, count=4):
        self.port = port
        self.answers, self.problems = [], []
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(number,)) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def work(self, number):
        while not self.stopped.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port), LONG_S) as connection:
                    connection.sendall(b"hello\n")
                    pid, text = connection.makefile("rb").read().split(b" ")
                    assert text == b"hello\n"
                    self.answers.append(int(pid))
            except (OSError, ValueError) as error:
                self.problems.append(repr(error))

    async def stop(self):
        self.stopped.set()
        await asyncio.to_thread(lambda: [thread.join() for thread in self.threads])


@pytest.mark.parametrize("kind", SOURCES)
async def test_clients_that_connect_all_the_time_lose_nothing_through_reloads(system, tmp_path, kind):
    port = free_port()
    plugin = await install(
        system, tmp_path, SOURCES[kind].replace("{port}", str(port)), grants={"listen": [f"tcp:{port}"]}
    )
    clients = Clients(port)
    try:
        for _ in range(3):
            before = len(clients.answers)
            await until(
                lambda before=before: len(clients.answers) > before + 50 or clients.problems, within=LONG_S
            )
            await system.manager.reload(plugin, ADA)
        before = len(clients.answers)
        await until(lambda: len(clients.answers) > before + 50 or clients.problems, within=LONG_S)
    finally:
        await clients.stop()
    assert clients.problems == []
    assert len({*clients.answers}) == 4


async def test_clients_of_an_exclusive_plugin_wait_while_it_is_replaced(system, tmp_path):
    """The port stays open although the old worker has ended and the new one has not asked for it yet, also where the new one fails and the old comes back."""
    port = free_port()
    source = ASYNCIO.replace("{port}", str(port)).replace(
        "return True", 'return not self.config.get("refuse")'
    )
    plugin = await install(system, tmp_path, source, grants={"listen": [f"tcp:{port}"]}, exclusive=True)
    clients = Clients(port, count=2)
    try:
        await until(lambda: len(clients.answers) > 20 or clients.problems, within=LONG_S)
        await system.manager.reload(plugin, ADA)
        before = len(clients.answers)
        await until(lambda: len(clients.answers) > before + 20 or clients.problems, within=LONG_S)
        with pytest.raises(ConfigurationRefusedError):
            await system.manager.configure(plugin, ConfigChange(set={"refuse": SetValue(True)}), ADA)
        before = len(clients.answers)
        await until(lambda: len(clients.answers) > before + 20 or clients.problems, within=LONG_S)
    finally:
        await clients.stop()
    assert clients.problems == []
    assert len({*clients.answers}) == 3
    await system.manager.disable(plugin, ADA)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), LONG_S).close()
