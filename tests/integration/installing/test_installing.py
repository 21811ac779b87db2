"""Installations on a whole system: what they leave behind when they succeed, fail, are cancelled or refused."""

import errno

import pytest

from isp_plugins.configuration import ConfigChange, SetValue
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.contracts.vocabulary import RuntimeKind, State
from isp_plugins.lifecycle.kept import Part
from isp_plugins.operations import OperationState
from isp_plugins.packages.errors import ResolutionImpossibleError
from support.fakes_lifecycle import draft
from support.packages import files_of, package

from .conftest import ADA, Bench

NOTHING = {"staging": [], "artifacts": [], "environments": []}
STEPS_OF_THE_STORE = ("fetch", "unpack", "build", "read_manifest", "resolve", "build_environment", "keep")


async def test_installed_plugin_is_shown_with_its_release(bench: Bench):
    ended = await bench.install(configuration={"greeting": "hi", "password": "s3cret"})
    assert (ended.state, ended.error) == (OperationState.SUCCEEDED, None)
    record = bench.system.directory.by_name("sample")
    assert (record.state, record.runtime, record.exclusive) == (
        State.INSTALLED,
        RuntimeKind.PROCESS,
        False,
    )
    shown = record.to_dict()["release"]
    files = files_of(bench.system.settings.data_dir)
    assert [shown["digest"].removeprefix("sha256:")] == files["artifacts"]
    assert [shown["environment"]] == files["environments"]
    assert files["staging"] == []
    assert (shown["version"], shown["installed_by"]) == ("1.0.0", "ada")
    assert ended.result == {
        "plugin_id": record.id,
        "plugin": "sample",
        "version": "1.0.0",
        "state": "installed",
        "digest": shown["digest"],
        "environment": shown["environment"],
    }
    resolved = await bench.system.configuration.resolved(record.id, ConfigSchema.of(record.config_schema))
    assert resolved == {"greeting": "hi", "password": "s3cret", "refuse": False}
    assert "s3cret" not in str(ended)


async def test_auto_enabled_plugin_answers(bench: Bench):
    ended = await bench.install(auto_enable=True, configuration={"greeting": "hi"})
    assert ended.error is None
    record = bench.system.directory.by_name("sample")
    assert record.state is State.ACTIVE
    done = await bench.system.manager.execute(record.id, "welcome", [{"id": 7}], ADA)
    assert done.value == {"welcomed": 7, "greeting": "hi"}


@pytest.mark.parametrize("step", STEPS_OF_THE_STORE)
async def test_failure_in_any_step_leaves_the_machine_as_it_was(bench: Bench, step: str):
    bench.packages.fails[step] = ResolutionImpossibleError(plugin="sample", reason="x<2 and x>=2.")
    ended = await bench.install()
    assert ended.state is OperationState.FAILED
    assert ended.error is not None
    assert "x<2 and x>=2" in ended.error["detail"]
    assert files_of(bench.system.settings.data_dir) == NOTHING
    assert len(bench.system.directory) == 0
    del bench.packages.fails[step]
    assert (await bench.install()).state is OperationState.SUCCEEDED


async def test_full_disk_in_a_step_is_told_and_undone(bench: Bench):
    bench.packages.fails["keep"] = OSError(errno.ENOSPC, "No space left on device")
    ended = await bench.install()
    assert ended.error is not None
    assert "step environment: No space left on device" in ended.error["detail"]
    assert files_of(bench.system.settings.data_dir) == NOTHING


async def test_plugin_that_cannot_be_enabled_goes_again_with_its_cause(bench: Bench):
    ended = await bench.install(auto_enable=True, configuration={"refuse": True})
    assert ended.state is OperationState.FAILED
    assert ended.error is not None
    assert ended.error["problem"] == "plugin-enable-failed"
    assert ended.error["step"] == "enable"
    assert len(bench.system.directory) == 0
    assert files_of(bench.system.settings.data_dir) == NOTHING
    assert await bench.system.uninstaller.kept() == []


@pytest.mark.parametrize("step", ["fetch", "unpack", "resolve", "build_environment", "keep"])
async def test_cancelled_installation_leaves_the_machine_as_it_was(bench: Bench, step: str):
    bench.packages.holds.add(step)
    begun = await bench.begin()
    await bench.packages.reached.wait()
    await bench.system.operations.cancel(begun.id, ADA)
    assert (await bench.ended(begun)).state is OperationState.CANCELLED
    assert files_of(bench.system.settings.data_dir) == NOTHING


async def test_two_installations_of_one_plugin_at_once_one_is_refused(bench: Bench):
    bench.packages.holds.add("resolve")
    first = await bench.begin()
    await bench.packages.reached.wait()
    second = await bench.install()
    assert second.error is not None
    assert (second.error["problem"], second.error["step"]) == ("installation-under-way", "manifest")
    bench.packages.go_on.set()
    assert (await bench.ended(first)).state is OperationState.SUCCEEDED
    files = files_of(bench.system.settings.data_dir)
    assert (len(files["artifacts"]), len(files["environments"]), files["staging"]) == (1, 1, [])


async def test_what_is_installed_already_is_refused_with_the_next_step(bench: Bench):
    await bench.install()
    again = await bench.install()
    assert again.error is not None
    assert again.error["problem"] == "plugin-installed"
    assert "isp-plugins uninstall sample" in again.error["detail"]
    assert len(files_of(bench.system.settings.data_dir)["artifacts"]) == 1


async def test_registered_plugin_of_that_name_is_not_replaced(bench: Bench):
    await bench.system.manager.register(draft("sample"), ADA)
    ended = await bench.install()
    assert ended.error is not None
    assert ended.error["problem"] == "plugin-installed"


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        ({"name": "other"}, "package-name-mismatch"),
        ({"version": "2.0.0"}, "package-version-mismatch"),
        ({"digest": "0" * 64}, "digest-mismatch"),
    ],
)
async def test_package_that_is_not_the_expected_one_is_refused(bench: Bench, expected, problem):
    ended = await bench.install(**expected)
    assert ended.error is not None
    assert ended.error["problem"] == problem
    assert files_of(bench.system.settings.data_dir) == NOTHING


async def test_wrong_configuration_is_refused_before_anything_is_built(bench: Bench):
    ended = await bench.install(configuration={"greeting": 7, "refuse": "maybe"})
    assert ended.error is not None
    assert (ended.error["step"], len(ended.error["errors"])) == ("configure", 2)
    assert "resolve" not in bench.packages.done


async def test_incomplete_configuration_refuses_only_to_enable(bench: Bench):
    file = package(bench.folder, config_schema={"key": {"type": "string", "required": True}})
    ended = await bench.install(file, auto_enable=True)
    assert ended.error is not None
    assert ended.error["problem"] == "configuration-incomplete-for-enable"
    assert (await bench.install(file)).state is OperationState.SUCCEEDED


async def test_subscriber_of_before_install_vetoes(bench: Bench):
    folder = bench.system.settings.data_dir / "plugins"
    folder.mkdir(exist_ok=True)
    (folder / "scanner.py").write_text(SCANNER)
    scanner = await bench.system.manager.register(draft("scanner"), ADA)
    await bench.system.manager.enable(scanner.id, ADA)
    ended = await bench.install()
    assert ended.error is not None
    assert ended.error["problem"] == "installation-vetoed"
    assert "sample is not on the list" in ended.error["detail"]
    allowed = await bench.install(package(bench.folder, "allowed"))
    assert allowed.state is OperationState.SUCCEEDED


SCANNER = """
from app.services.plugin_service import PluginInterface
from isp_plugin_sdk.errors import Reject
from isp_plugin_sdk.hooks import filter


class Plugin(PluginInterface):
    def initialize(self):
        return True

    @filter("plugin_before_install")
    def look(self, package):
        assert package["digest"].startswith("sha256:")
        if package["manifest"]["name"] != "allowed":
            raise Reject(package["manifest"]["name"] + " is not on the list")
        return package
"""


async def test_installation_is_announced_and_audited(bench: Bench):
    await bench.install()
    page = await bench.system.audit.page()
    tags = [entry.tag for entry in page.items]
    assert {"operation.begun", "plugin.installed", "operation.ended"} <= set(tags)


async def test_uninstalled_plugin_leaves_no_residue(bench: Bench):
    await bench.install(auto_enable=True, configuration={"password": "s3cret"})
    await bench.uninstall()
    assert files_of(bench.system.settings.data_dir) == NOTHING
    assert len(bench.system.directory) == 0
    assert await bench.system.uninstaller.kept() == []
    assert (await bench.install(auto_enable=True)).state is OperationState.SUCCEEDED


async def test_environment_that_another_plugin_uses_stays(bench: Bench):
    await bench.install()
    await bench.install(package(bench.folder, "other"))
    record = bench.system.directory.by_name("sample")
    plan = await bench.system.uninstaller.plan(record.id, frozenset(), drop_logs=False)
    parts = {part["part"]: part for part in plan["parts"]}
    assert parts["environment"]["action"] == "shared"
    assert parts["environment"]["detail"] == "also used by other"
    await bench.uninstall()
    files = files_of(bench.system.settings.data_dir)
    assert (len(files["artifacts"]), len(files["environments"])) == (1, 1)


async def test_kept_configuration_and_storage_are_found_again(bench: Bench):
    await bench.install(configuration={"greeting": "hi", "password": "s3cret"})
    record = bench.system.directory.by_name("sample")
    await bench.system.storage.set(record.id, "count", 7)
    await bench.uninstall(keep=frozenset(Part))
    assert files_of(bench.system.settings.data_dir) == NOTHING
    assert len(bench.system.directory) == 0
    (kept,) = await bench.system.uninstaller.kept()
    assert (kept.name, kept.configuration_keys, kept.storage_keys) == ("sample", 2, 1)

    await bench.install(package(bench.folder, version="2.0.0"), configuration={"greeting": "ho"})
    again = bench.system.directory.by_name("sample")
    assert (again.id, again.version) == (record.id, "2.0.0")
    resolved = await bench.system.configuration.resolved(again.id, ConfigSchema.of(again.config_schema))
    assert resolved == {"greeting": "ho", "password": "s3cret", "refuse": False}
    assert await bench.system.storage.get(again.id, "count") == 7
    assert await bench.system.uninstaller.kept() == []


async def test_kept_secret_is_rotated_and_stays_readable(bench: Bench):
    await bench.install(configuration={"password": "s3cret"})
    await bench.uninstall(keep=frozenset({Part.CONFIGURATION}))
    assert (await bench.system.rotate_secrets(ADA))["rotated"] >= 1
    await bench.install()
    record = bench.system.directory.by_name("sample")
    resolved = await bench.system.configuration.resolved(record.id, ConfigSchema.of(record.config_schema))
    assert resolved["password"] == "s3cret"


async def test_failed_reinstallation_leaves_what_was_kept_as_it_was(bench: Bench):
    await bench.install(configuration={"greeting": "hi"})
    await bench.uninstall(keep=frozenset(Part))
    ended = await bench.install(auto_enable=True, configuration={"greeting": "ho", "refuse": True})
    assert ended.state is OperationState.FAILED
    (kept,) = await bench.system.uninstaller.kept()
    assert kept.configuration_keys == 1
    await bench.install()
    record = bench.system.directory.by_name("sample")
    resolved = await bench.system.configuration.resolved(record.id, ConfigSchema.of(record.config_schema))
    assert resolved["greeting"] == "hi"


async def test_forgotten_plugin_begins_anew(bench: Bench):
    await bench.install(configuration={"greeting": "hi"})
    await bench.uninstall(keep=frozenset(Part))
    await bench.system.uninstaller.forget("sample", ADA)
    assert await bench.system.uninstaller.kept() == []
    await bench.install()
    record = bench.system.directory.by_name("sample")
    entries = await bench.system.configuration.entries(record.id, ConfigSchema.of(record.config_schema))
    assert [entry for entry in entries if entry.id is not None] == []


async def test_exported_document_holds_values_but_no_secret(bench: Bench):
    await bench.install(configuration={"greeting": "hi", "password": "s3cret"})
    record = bench.system.directory.by_name("sample")
    await bench.system.storage.set(record.id, "count", 7)
    document = await bench.system.uninstaller.export(record.id, ADA)
    assert document["configuration"] == {"greeting": "hi"}
    assert document["secrets"] == ["password"]
    assert document["storage"] == {"count": 7}
    assert "s3cret" not in str(document)


async def test_uninstall_waits_for_an_installation_before_it_drops_files(bench: Bench):
    """Nothing that an installation is about to use goes under it."""
    await bench.install()
    bench.packages.holds.add("keep")
    begun = await bench.begin(package(bench.folder, "other"))
    await bench.packages.reached.wait()
    await bench.uninstall()
    assert len(files_of(bench.system.settings.data_dir)["artifacts"]) == 2
    bench.packages.go_on.set()
    assert (await bench.ended(begun)).state is OperationState.SUCCEEDED
    files = files_of(bench.system.settings.data_dir)
    assert (len(files["artifacts"]), len(files["environments"])) == (1, 1)


async def test_configuration_can_be_changed_after_the_installation(bench: Bench):
    await bench.install(auto_enable=True)
    record = bench.system.directory.by_name("sample")
    await bench.system.manager.configure(record.id, ConfigChange(set={"greeting": SetValue("changed")}), ADA)
    done = await bench.system.manager.execute(record.id, "welcome", [{"id": 1}], ADA)
    assert done.value["greeting"] == "changed"
