"""What decent plugins do works in the sandbox, for every way of starting it."""

import pytest

from support.sandbox import EVERYBODY, make_target, policy_for, run

CODE = {
    "threads": "import threading\ngot = []\nts = [threading.Thread(target=got.append, args=(1,)) for _ in range(8)]\n[t.start() for t in ts]; [t.join() for t in ts]\nvalue = len(got)",
    "asyncio": "import asyncio\nasync def go():\n    a, b = await asyncio.gather(asyncio.sleep(0, 3), asyncio.to_thread(lambda: 5))\n    return a + b\nvalue = asyncio.run(go())",
    "sqlite": "import sqlite3\nc = sqlite3.connect('own.db')\nc.execute('pragma journal_mode=wal')\nc.execute('create table t(a)')\nc.execute('insert into t values (8)')\nc.commit()\nvalue = c.execute('select a from t').fetchone()[0]",
    "tempfile": "import tempfile\nwith tempfile.NamedTemporaryFile() as f, tempfile.TemporaryDirectory() as d:\n    f.write(b'x' * 8); f.flush(); value = len(open(f.name).read())",
    "jinja2": "import jinja2\nvalue = int(jinja2.Template('{{ a + 1 }}').render(a=7))",
    "time zones": "import datetime, zoneinfo\nvalue = 8 if datetime.datetime.now(zoneinfo.ZoneInfo('Europe/Lisbon')).tzname() else 0",
    "certificates": "import ssl\nssl.create_default_context()\nvalue = 8",
    "compression": "import gzip, zlib, bz2, lzma\nvalue = len(gzip.decompress(gzip.compress(b'12345678')))",
    "random and hashes": "import secrets, hashlib, os\nvalue = len(secrets.token_bytes(4) + os.urandom(4)) if hashlib.sha256(b'').digest() else 0",
    "folders of its own": "import os, pathlib, shutil\np = pathlib.Path('a/b'); p.mkdir(parents=True)\n(p / 'c').write_text('12345678')\nos.replace(p / 'c', 'd')\nshutil.rmtree('a')\nvalue = len(open('d').read())",
    "subnets": "import ipaddress, decimal, json, re, csv, xml.etree.ElementTree\nvalue = 8",
    "signals of its own": "import os, signal\ngot = []\nsignal.signal(signal.SIGUSR1, lambda *_: got.append(8))\nos.kill(os.getpid(), signal.SIGUSR1)\nvalue = got[0]",
    "the machine": "import os, platform, time\nos.cpu_count(); platform.machine(); time.sleep(0)\nvalue = 8",
    "memory mapped": "import mmap\nopen('m', 'wb').write(b'12345678')\nwith open('m', 'r+b') as f, mmap.mmap(f.fileno(), 0) as m: value = len(m[:])",
    "a local pair": "import socket\na, b = socket.socketpair()\na.sendall(b'12345678')\nvalue = len(b.recv(8))",
    "its own host name": "import socket\nsocket.gethostname(); socket.getfqdn()\nvalue = 8",
}


@pytest.fixture(scope="module", params=[(w, n) for w in EVERYBODY for n in (True, False)], ids=str)
def ended(kit, request):
    who, namespaces = request.param
    python = kit.python_for(who) or pytest.skip("no interpreter that this user can start")
    target = make_target(python, who)
    yield run(kit, target, who, policy_for(kit, target, who, namespaces=namespaces), CODE)
    target.close()


@pytest.mark.parametrize("what", CODE)
def test_ordinary_code_works(ended, what):
    assert ended.outcomes[what].get("value") == 8, ended.outcomes.get(what, ended)
