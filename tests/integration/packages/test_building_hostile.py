"""Source that attacks while it is built, through the whole installation: the host's secrets stay unread, and its tools are not turned against it."""

import pytest

from isp_plugins.packages.errors import BuildFailedError
from support.sources import folder
from support.wheels import make_source

SECRET = "the-key-of-the-host"
READS = """
def before_build():
    try:
        found = open({path!r}).read()
    except OSError as error:
        raise SystemExit("denied: " + type(error).__name__)
    raise SystemExit("read: " + found)
"""
WRITES_TOOLS = """
def before_build():
    import os, sys
    denied = []
    for path in (sys.prefix + "/bin/python", sys.prefix + "/pyvenv.cfg", "../build/tools/requires.txt"):
        try:
            open(path, "a").close()
        except OSError as error:
            denied.append(type(error).__name__)
    raise SystemExit("denied: " + " ".join(denied))
"""
LIES = {
    "a link to the host's key": "os.path.lexists(result) or os.symlink({key!r}, result)",
    "no JSON": "open(result, 'w').write('hello')",
    "another shape": "open(result, 'w').write('[]')",
    "a pipe": "os.mkfifo(result)",
}
LIE = """
def before_build():
    import os, sys
    result = sys.argv[5]
    {lie}
    os._exit(0)
"""
LINK = """
def build_wheel(out, config_settings=None, metadata_directory=None):
    import os
    os.symlink({wheel!r}, os.path.join(out, "isp_greeter-1.0.0-py3-none-any.whl"))
    return "isp_greeter-1.0.0-py3-none-any.whl"
"""


@pytest.fixture
def key(installer):
    data = installer.store.folders.data_dir
    data.mkdir(parents=True, exist_ok=True)
    (data / "secrets.key").write_text(SECRET)
    return data / "secrets.key"


async def refusal_of(installer, source):
    with pytest.raises(BuildFailedError) as raised:
        await installer.wheel_of(folder(source))
    return str(raised.value)


async def test_build_cannot_read_the_hosts_key(installer, key, tmp_path):
    said = await refusal_of(installer, make_source(tmp_path / "source", extra=READS.format(path=str(key))))
    assert "denied: PermissionError" in said
    assert SECRET not in said


async def test_build_cannot_read_another_plugins_code(installer, key, tmp_path):
    other = key.parent / "artifacts" / "0" / "code.py"
    other.parent.mkdir(parents=True)
    other.write_text(SECRET)
    said = await refusal_of(installer, make_source(tmp_path / "source", extra=READS.format(path=str(other))))
    assert "denied: PermissionError" in said


async def test_build_cannot_change_what_the_host_runs_for_it(installer, tmp_path):
    said = await refusal_of(installer, make_source(tmp_path / "source", extra=WRITES_TOOLS))
    assert len(said.partition("denied: ")[2].split()) == 3


@pytest.mark.parametrize("lie", LIES)
async def test_build_that_lies_in_its_answer_is_refused(installer, key, tmp_path, lie):
    extra = LIE.format(lie=LIES[lie].format(key=str(key)))
    said = await refusal_of(installer, make_source(tmp_path / "source", extra=extra))
    assert SECRET not in said
    assert key.read_text() == SECRET


async def test_wheel_that_is_a_link_is_refused(installer, key, tmp_path):
    source = make_source(tmp_path / "source")
    backend = next(path for path in source.rglob("*.py") if "def build_wheel" in path.read_text())
    backend.write_text(LINK.format(wheel=str(key)))
    assert "named no wheel that it wrote" in await refusal_of(installer, source)
