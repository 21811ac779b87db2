from isp_plugins.packages.values import Lock
from support.sources import upload
from support.wheels import make_plugin_wheel


async def two(installer, tmp_path):
    return [
        await installer.install(upload(make_plugin_wheel(tmp_path / name, name, requires=[f"dep{need}"])))
        for name, need in (("old", "<2"), ("new", ">=2"))
    ]


async def test_what_nothing_refers_to_is_deleted_and_the_rest_stays(installer, tmp_path):
    old, new = await two(installer, tmp_path)
    freed = await installer.store.drop_unused(
        digests=frozenset({new.artifact.digest}), environments=frozenset({new.environment.key})
    )
    assert (freed.digests, freed.environments) == ((old.artifact.digest,), (old.environment.key,))
    assert freed.bytes > 100_000
    assert not old.environment.path.exists()
    assert not old.artifact.path.exists()
    assert installer.store.artifact(new.artifact.digest) == new.artifact
    assert installer.store.environment(new.environment.key).path == new.environment.path


async def test_wheels_that_only_dropped_environments_needed_go_too(installer, tmp_path):
    _, new = await two(installer, tmp_path)
    house = installer.store.folders.wheelhouse
    assert len(list(house.iterdir())) == 2
    await installer.store.drop_unused(digests=frozenset(), environments=frozenset({new.environment.key}))
    (kept,) = house.iterdir()
    assert kept.name in new.lock.text


async def test_nothing_is_left_when_nothing_is_needed(installer, tmp_path):
    await two(installer, tmp_path)
    await installer.store.drop_unused(digests=frozenset(), environments=frozenset())
    folders = installer.store.folders
    left = [
        each
        for place in (folders.artifacts, folders.environments, folders.wheelhouse, folders.trash)
        for each in place.iterdir()
    ]
    assert left == []


async def test_folders_that_are_not_ours_are_left_alone(installer, tmp_path):
    (installer.store.folders.artifacts / "notes").mkdir(parents=True)
    await installer.store.drop_unused(digests=frozenset(), environments=frozenset())
    assert (installer.store.folders.artifacts / "notes").is_dir()


async def test_what_a_killed_deletion_left_is_deleted_next_time(installer):
    (installer.store.folders.trash / "half" / "deleted").mkdir(parents=True)
    await installer.store.drop_unused(digests=frozenset(), environments=frozenset())
    assert list(installer.store.folders.trash.iterdir()) == []


async def test_dropped_plugin_can_be_installed_again(installer, tmp_path):
    source = upload(make_plugin_wheel(tmp_path, requires=["dep"]))
    first = await installer.install(source)
    await installer.store.drop_unused(digests=frozenset(), environments=frozenset())
    second = await installer.install(source)
    assert (second.artifact.digest, second.environment.key) == (first.artifact.digest, first.environment.key)
    assert Lock.of(second.lock.to_dict()).text == first.lock.text


async def test_names_that_are_no_digests_find_nothing(installer):
    assert installer.store.artifact("../../etc") is None
    assert installer.store.environment("..") is None
