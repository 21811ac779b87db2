import asyncio
import subprocess
import sys

import pytest

from isp_plugins.contracts.worker import WorkerLimits
from isp_plugins.packages.errors import (
    EnvironmentFailedError,
    HostUnsuitableError,
    ManifestInvalidError,
    PackageIndexUnreachableError,
    PackageShapeError,
    ResolutionImpossibleError,
    WheelInvalidError,
)
from isp_plugins.packages.sdk_wheel import pack_sdk
from isp_plugins.packages.values import Lock
from support.package_index import running_index, write_index
from support.sources import folder, upload
from support.wheels import (
    MANIFEST,
    files_below,
    freeze_of_host,
    make_plugin_wheel,
    make_source,
    make_wheel,
    tar_of,
    zip_of,
)

COMMAND = """\
name = "shell-greeter"
version = "0.3.0"
plugin_type = "CUSTOM"
command = ["./run.sh", "--quiet"]
[limits]
memory_mb = 64
threads = 8
"""


def run(installed, code):
    """Run code in the plugin's environment, as its worker would see it."""
    python, _, *_rest = installed.program.argv
    setup = f"import sys; sys.path.insert(0, {str(installed.artifact.code)!r})\n"
    done = subprocess.run([python, "-I", "-c", setup + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def test_wheel_becomes_a_program_that_imports_its_plugin(installer, tmp_path):
    installed = await installer.install(
        upload(make_plugin_wheel(tmp_path, requires=["dep<2", "isp-plugin-sdk"]))
    )
    argv = installed.program.argv
    assert argv[1:5] == ("-I", "-m", "isp_plugin_sdk.serve", "--path")
    assert argv[5:] == (str(installed.artifact.code), "greeter.plugin:Plugin")
    assert (
        run(installed, "import dep, greeter.plugin as g; print(dep.VERSION, g.Plugin.__mro__[1].__name__)")
        == "1.0 PluginInterface"
    )


async def test_bytecode_is_compiled_in_both_places(installer, tmp_path):
    installed = await installer.install(upload(make_plugin_wheel(tmp_path, requires=["dep"])))
    compiled = run(installed, "import os, dep, greeter.plugin as g, isp_plugin_sdk as s; print(*[os.path.exists(m.__cached__) for m in (dep, g, s)])")  # fmt: skip
    assert compiled == "True True True"


async def test_bytecode_of_a_distribution_is_compiled_once(installer, tmp_path):
    for name, need in (("old", "dep<2"), ("new", "dep>=2")):
        await installer.install(upload(make_plugin_wheel(tmp_path / name, name, requires=[need])))
    kept = list(installer.store.folders.bytecode.iterdir())
    assert len(kept) == 3, "the SDK, and two versions of dep"


@pytest.mark.parametrize("kind", ["folder", "sdist", "zip"])
async def test_own_source_is_built_from_folder_sdist_and_zip(kind, installer, tmp_path):
    source = make_source(tmp_path / "isp-greeter-1.0.0")
    given = {
        "folder": lambda: folder(source),
        "sdist": lambda: upload(tar_of(source, tmp_path / "isp-greeter-1.0.0.tar.gz")),
        "zip": lambda: upload(zip_of(source, tmp_path / "greeter.zip")),
    }[kind]()
    _, _, wheel, _ = await installer.wheel_of(given)
    assert installer.store.read_manifest(wheel).name == "greeter"


@pytest.mark.parametrize("kind", ["folder", "zip"])
async def test_command_is_packed_and_started_in_its_own_folder(kind, installer, tmp_path):
    source = tmp_path / "command"
    source.mkdir()
    (source / "plugin.toml").write_text(COMMAND)
    (source / "run.sh").write_text("#!/bin/sh\nexec cat\n")
    (source / "run.sh").chmod(0o755)
    installed = await installer.install(
        folder(source) if kind == "folder" else upload(zip_of(source, tmp_path / "c.zip"))
    )
    program = installed.program
    assert program.speaks_over_stdio
    assert program.argv == (str(program.folder / "run.sh"), "--quiet")
    done = subprocess.run(
        program.argv, cwd=program.folder, input="hello", capture_output=True, text=True, check=True
    )
    assert done.stdout == "hello"


async def test_same_folder_makes_the_same_artifact_everywhere(make_installer, tmp_path):
    source = tmp_path / "command"
    source.mkdir()
    (source / "plugin.toml").write_text(COMMAND)
    first, second = [await make_installer(package_offline="yes").install(folder(source)) for _ in range(2)]
    assert first.artifact.digest == second.artifact.digest
    assert first.lock.key == second.lock.key


async def test_smaller_limit_of_plugin_and_operator_holds(installer, tmp_path):
    manifest = (
        MANIFEST.format(name="greeter", version="1.0.0", package="greeter")
        + "[limits]\nmemory_mb = 64\nthreads = 99\n"
    )
    installed = await installer.install(upload(make_plugin_wheel(tmp_path, manifest=manifest)))
    caps = WorkerLimits(memory_mb=512, threads=8, open_files=100)
    limits = installer.store.program(
        installed.manifest, installed.artifact, installed.environment, caps
    ).limits
    assert limits == WorkerLimits(memory_mb=64, threads=8, open_files=100)


async def test_two_plugins_with_conflicting_needs_work_side_by_side(installer, tmp_path):
    old = await installer.install(upload(make_plugin_wheel(tmp_path / "a", "old", requires=["dep<2"])))
    new = await installer.install(upload(make_plugin_wheel(tmp_path / "b", "new", requires=["dep>=2"])))
    assert run(old, "import dep, old.plugin; print(dep.VERSION)") == "1.0"
    assert run(new, "import dep, new.plugin; print(dep.VERSION)") == "2.0"


async def test_equal_locks_share_one_environment(installer, tmp_path):
    first = await installer.install(upload(make_plugin_wheel(tmp_path / "a", "one", requires=["dep<2"])))
    second = await installer.install(upload(make_plugin_wheel(tmp_path / "b", "two", requires=["dep==1.0"])))
    assert first.environment.path == second.environment.path
    assert (first.environment.made, second.environment.made) == (True, False)


async def test_two_installations_at_once_make_one_environment(installer, tmp_path):
    sources = [
        upload(make_plugin_wheel(tmp_path / name, name, requires=["dep<2"])) for name in ("one", "two")
    ]
    both = await asyncio.gather(*(installer.install(source) for source in sources))
    assert both[0].environment.path == both[1].environment.path
    assert sorted(one.environment.made for one in both) == [False, True]
    assert run(both[1], "import dep; print(dep.VERSION)") == "1.0"


async def test_environment_of_the_host_never_changes(installer, tmp_path):
    before = freeze_of_host()
    await installer.install(upload(make_plugin_wheel(tmp_path, requires=["dep"])))
    await installer.wheel_of(folder(make_source(tmp_path / "source")))
    assert freeze_of_host() == before


async def test_lock_names_every_distribution_with_hashes(installer, tmp_path):
    lock = (await installer.install(upload(make_plugin_wheel(tmp_path, requires=["dep<2"])))).lock
    assert [requirement.name for requirement in lock.requirements] == ["dep", "isp-plugin-sdk"]
    assert all(" --hash=sha256:" in line for line in lock.text.splitlines())
    assert Lock.of(lock.to_dict()).key == lock.key


async def test_stored_lock_installs_again_without_index_and_gives_the_same(make_installer, tmp_path):
    wheel = make_wheel(tmp_path / "wheels", "dep", "1.5")
    write_index(tmp_path / "index", [wheel])
    with running_index(tmp_path / "index") as address:
        installer = make_installer(package_index_url=f"http://{address}/simple")
        first = await installer.install(upload(make_plugin_wheel(tmp_path, requires=["dep"])))
    before = files_below(first.environment.path)
    await installer.store.drop_unused(digests=frozenset(), environments=frozenset())
    assert installer.store.environment(first.lock.key) is None
    again = make_installer(
        data=installer.store.folders.data_dir,
        package_index_url=f"http://{address}/simple",
        package_offline="yes",
    )
    environment = await again.store.build_environment(Lock.of(first.lock.to_dict()), again.staging())
    after = files_below(environment.path)
    assert environment.path == first.environment.path
    assert {name: data for name, data in after.items() if not name.endswith((".pyc", ".json"))} == {
        name: data for name, data in before.items() if not name.endswith((".pyc", ".json"))
    }


async def test_bundle_of_wheels_is_enough_without_any_network(make_installer, tmp_path):
    make_plugin_wheel(tmp_path / "bundle", requires=["dep"])
    make_wheel(tmp_path / "bundle", "dep", "7.0")
    bundle = zip_of(tmp_path / "bundle", tmp_path / "bundle.zip")
    installer = make_installer(package_offline="yes")
    installed = await installer.install(upload(bundle))
    assert run(installed, "import dep; print(dep.VERSION)") == "7.0"
    kept = Lock.of(installed.lock.to_dict())
    store = installer.store
    installed.environment.path.rename(tmp_path / "gone")
    again = await store.build_environment(kept, installer.staging())
    assert again.made


async def test_sdk_comes_from_the_host_whatever_an_index_offers(make_installer, tmp_path):
    version = pack_sdk(tmp_path / "sdk").version
    impostors = [
        make_wheel(
            tmp_path / "evil", "isp-plugin-sdk", each, files={"isp_plugin_sdk/__init__.py": "EVIL = 1\n"}
        )
        for each in (version, "99.0")
    ]
    write_index(tmp_path / "index", impostors)
    with running_index(tmp_path / "index") as address:
        installer = make_installer(package_index_url=f"http://{address}/simple")
        installed = await installer.install(upload(make_plugin_wheel(tmp_path, requires=["isp-plugin-sdk"])))
    assert run(installed, "import isp_plugin_sdk; print(hasattr(isp_plugin_sdk, 'EVIL'))") == "False"


async def test_wheel_that_is_not_what_the_lock_says_is_refused(installer, links, tmp_path, make_installer):
    lock = (await installer.install(upload(make_plugin_wheel(tmp_path, requires=["dep<2"])))).lock
    other = tmp_path / "other"
    make_wheel(other, "dep", "1.0", files={"dep.py": "VERSION = 'evil'\n"})
    elsewhere = make_installer(package_find_links=str(other), package_offline="yes")
    pack_sdk(elsewhere.store.folders.sdk)
    with pytest.raises(EnvironmentFailedError):
        await elsewhere.store.build_environment(Lock.of(lock.to_dict()), elsewhere.staging())
    assert elsewhere.store.environment(lock.key) is None


async def test_conflict_is_told_in_the_resolvers_words(installer, tmp_path):
    source = upload(make_plugin_wheel(tmp_path, requires=["dep<2", "dep>=2"]))
    with pytest.raises(
        ResolutionImpossibleError, match=r"isp-greeter==1\.0\.0 depends on dep<2 and dep>=2"
    ) as raised:
        await installer.install(source)
    assert raised.value.message.isascii()
    assert "file://" not in raised.value.message


async def test_dependency_by_url_is_refused(installer, tmp_path):
    direct = make_wheel(tmp_path / "direct", "direct", "1.0")
    with pytest.raises(ResolutionImpossibleError, match="direct is required by its URL"):
        await installer.install(upload(make_plugin_wheel(tmp_path, requires=[f"direct @ {direct.as_uri()}"])))


async def test_nothing_of_a_dependency_runs_when_the_interpreter_starts(make_installer, tmp_path):
    marker = tmp_path / "was-run"
    files = {"hook.pth": f"import pathlib; pathlib.Path({str(marker)!r}).touch()\n", "quiet.py": "X = 1\n"}
    make_wheel(tmp_path / "links", "quiet", "1.0", files=files)
    make_wheel(tmp_path / "links", "loud", "1.0", files={"sitecustomize.py": "1/0\n"})
    installer = make_installer(package_find_links=str(tmp_path / "links"), package_offline="yes")
    installed = await installer.install(upload(make_plugin_wheel(tmp_path / "a", requires=["quiet"])))
    assert run(installed, "import quiet; print(quiet.X)") == "1"
    assert not marker.exists()
    with pytest.raises(EnvironmentFailedError, match="sitecustomize"):
        await installer.install(upload(make_plugin_wheel(tmp_path / "b", "other", requires=["loud"])))


async def test_sdist_of_a_dependency_is_never_built(make_installer, tmp_path):
    source = tmp_path / "links" / "sneaky-1.0"
    source.mkdir(parents=True)
    marker = tmp_path / "was-run"
    (source / "setup.py").write_text(f"open({str(marker)!r}, 'w')\n")
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: sneaky\nVersion: 1.0\n")
    tar_of(source, tmp_path / "links" / "sneaky-1.0.tar.gz")
    installer = make_installer(package_find_links=str(tmp_path / "links"), package_offline="yes")
    with pytest.raises(ResolutionImpossibleError, match="sneaky"):
        await installer.install(upload(make_plugin_wheel(tmp_path, requires=["sneaky"])))
    assert not marker.exists()


async def test_credentials_of_the_index_are_used_and_never_shown(make_installer, tmp_path):
    write_index(tmp_path / "index", [make_wheel(tmp_path / "wheels", "dep", "1.5")])
    with running_index(tmp_path / "index", password="open-sesame") as address:
        installer = make_installer(package_index_url=f"http://user:open-sesame@{address}/simple")
        installed = await installer.install(upload(make_plugin_wheel(tmp_path / "a", requires=["dep"])))
        with pytest.raises((ResolutionImpossibleError, PackageIndexUnreachableError)) as raised:
            await installer.install(upload(make_plugin_wheel(tmp_path / "b", "other", requires=["absent"])))
    said = [raised.value.message, installed.lock.text]
    stored = [
        data
        for path in ("environments", "artifacts")
        for data in files_below(installer.store.folders.data_dir / path).values()
    ]
    assert not any("open-sesame" in text for text in said)
    assert not any(b"open-sesame" in data for data in stored)


async def test_manifest_must_agree_with_its_distribution(installer, tmp_path):
    manifest = MANIFEST.format(name="someone-else", version="2.0.0", package="other")
    _, _, wheel, _ = await installer.wheel_of(upload(make_plugin_wheel(tmp_path, manifest=manifest)))
    with pytest.raises(ManifestInvalidError) as raised:
        installer.store.read_manifest(wheel)
    assert [(one["line"], one["path"]) for one in raised.value.details] == [
        (1, "name"), (2, "version"), (4, "entry_point"), (4, "entry_point"),
    ]  # fmt: skip


async def test_package_of_a_command_is_called_like_its_plugin(installer, tmp_path):
    files = {"other/__init__.py": "", "other/plugin.toml": COMMAND}
    wheel = make_wheel(
        tmp_path, "thing", "0.3.0", files=files, entry_points="[isp_plugins]\nshell-greeter = other\n"
    )
    with pytest.raises(ManifestInvalidError, match=r"line 4: command: .*shell_greeter/plugin\.toml"):
        installer.store.read_manifest(wheel)


async def test_wheel_for_another_platform_is_refused(installer, tmp_path):
    wheel = make_plugin_wheel(tmp_path)
    foreign = wheel.rename(tmp_path / "isp_greeter-1.0.0-cp311-cp311-win_amd64.whl")
    with pytest.raises(HostUnsuitableError, match="win_amd64"):
        installer.store.read_manifest(foreign)


async def test_data_of_a_wheel_is_laid_out_like_an_installation(installer, tmp_path):
    wheel = make_plugin_wheel(
        tmp_path,
        more={
            "isp_greeter-1.0.0.data/purelib/greeter/more.py": "X = 1\n",
            "isp_greeter-1.0.0.data/scripts/tool": "#!/bin/sh\n",
        },
    )
    installed = await installer.install(upload(wheel))
    assert run(installed, "import greeter.more as more; print(more.X)") == "1"
    assert (installed.artifact.code / "bin" / "tool").is_file()


async def test_file_that_is_in_a_wheel_twice_is_refused(installer, tmp_path):
    wheel = make_plugin_wheel(tmp_path, more={"isp_greeter-1.0.0.data/purelib/greeter/plugin.py": "evil"})
    with pytest.raises(WheelInvalidError, match="twice"):
        await installer.install(upload(wheel))


async def test_manifest_for_another_host_is_refused(installer, tmp_path):
    manifest = (
        MANIFEST.format(name="greeter", version="1.0.0", package="greeter")
        + '[requires]\nhost = ">=99"\npython = "<3"\n'
    )
    _, _, wheel, _ = await installer.wheel_of(upload(make_plugin_wheel(tmp_path, manifest=manifest)))
    with pytest.raises(HostUnsuitableError, match=r"requires >=99.*requires <3"):
        installer.store.read_manifest(wheel)


async def test_mistakes_of_the_registration_get_the_manifests_lines(make_installer, tmp_path):
    installer = make_installer(
        check=lambda body: [{"path": "module_path", "message": f"no {body['module_path']}"}]
    )
    _, _, wheel, _ = await installer.wheel_of(upload(make_plugin_wheel(tmp_path)))
    with pytest.raises(ManifestInvalidError, match=r"line 4: entry_point: no greeter\.plugin"):
        installer.store.read_manifest(wheel)


@pytest.mark.parametrize(
    ("entry_points", "problem"),
    [
        ("", "exactly one entry point"),
        ("[isp_plugins]\na = a:A\nb = b:B\n", "got a, b"),
        ("[isp_plugins]\na = missing.module:A\n", r"missing/module/plugin.toml or missing/plugin.toml"),
        ("[isp_plugins\n", "entry_points.txt"),
    ],
)
async def test_wheel_without_one_plugin_is_refused(entry_points, problem, installer, tmp_path):
    wheel = make_wheel(tmp_path, "thing", "1.0", entry_points=entry_points)
    with pytest.raises(PackageShapeError, match=problem):
        installer.store.read_manifest(wheel)


def test_sdk_wheel_is_the_same_every_time(tmp_path):
    first, second = pack_sdk(tmp_path / "a"), pack_sdk(tmp_path / "b")
    assert first.digest == second.digest
    assert first.path.read_bytes() == second.path.read_bytes()


async def test_sdk_wheel_packed_from_an_installed_sdk_is_the_same(installer, tmp_path):
    installed = await installer.install(upload(make_plugin_wheel(tmp_path)))
    code = f"""
import importlib.util, pathlib, sys
sys.path.append({str(next(path for path in sys.path if "packages/server" in path))!r})
sys.path.append({next(path for path in sys.path if path.endswith("site-packages"))!r})
from isp_plugins.packages.sdk_wheel import pack_sdk
import isp_plugin_sdk
assert "environments" in isp_plugin_sdk.__file__
print(pack_sdk(pathlib.Path({str(tmp_path / "again")!r})).digest)
"""
    assert run(installed, code) == installed.lock.sdk_digest
