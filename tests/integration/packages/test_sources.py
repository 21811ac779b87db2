import asyncio
import contextlib
import dataclasses
import os
import subprocess

import pytest

from isp_plugins.packages.errors import (
    ArchiveUnsafeError,
    PackageShapeError,
    PackageTooLargeError,
    SourceUnreachableError,
    SourceUnusableError,
)
from isp_plugins.packages.values import Source, SourceKind
from support.sources import folder, upload
from support.waiting import until
from support.wheels import files_below, make_plugin_wheel, make_source

IDENTITY = {
    "GIT_AUTHOR_NAME": "T", "GIT_AUTHOR_EMAIL": "t@example.net", "GIT_COMMITTER_NAME": "T", "GIT_COMMITTER_EMAIL": "t@example.net",
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"], "HOME": "/nonexistent",
}  # fmt: skip


def git(place, *arguments):
    done = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *arguments],
        cwd=place,
        env=IDENTITY,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """A repository with a plugin: tag `v1` on its first commit, branch `main` on its second."""
    place = make_source(tmp_path / "repository")
    git(place, "init", "-q", "-b", "main")
    git(place, "add", ".")
    git(place, "commit", "-qm", "one")
    git(place, "tag", "v1")
    (place / "greeter" / "second.txt").write_text("2")
    git(place, "add", ".")
    git(place, "commit", "-qm", "two")
    return place


def of_git(url, ref=None):
    return Source(SourceKind.GIT, str(url), ref=ref)


@pytest.mark.parametrize("ref", [None, "main", "v1", "first commit", "second commit"])
async def test_git_is_pinned_to_the_commit_that_the_reference_resolved_to(ref, installer, repository):
    commits = {
        "first commit": git(repository, "rev-parse", "v1"),
        "second commit": git(repository, "rev-parse", "main"),
    }
    download, tree, wheel, _ = await installer.wheel_of(of_git(repository.as_uri(), commits.get(ref, ref)))
    first = ref in {"v1", "first commit"}
    assert download.origin["commit"] == commits["first commit" if first else "second commit"]
    assert (tree.path / "greeter" / "second.txt").exists() is not first
    assert installer.store.read_manifest(wheel).name == "greeter"


@pytest.mark.parametrize("ref", ["absent", "0" * 40])
async def test_git_reference_that_does_not_exist_is_refused(ref, installer, repository):
    with pytest.raises((SourceUnreachableError, SourceUnusableError)):
        await installer.wheel_of(of_git(repository.as_uri(), ref))


@pytest.mark.parametrize(
    ("url", "ref"),
    [
        ("ext::sh -c touch% /tmp/x", None),
        ("/tmp/repository", None),
        ("git://example.net/x", None),
        ("http://example.net/x", None),
        ("ssh://-oProxyCommand=touch%20x/x", None),
        ("--upload-pack=touch x", None),
        ("https://example.net/", None),
        ("file:///tmp/x", "--upload-pack=touch x"),
        ("file:///tmp/x", "a..b"),
        ("file:///tmp/x\n", None),
    ],
)
async def test_git_url_or_reference_that_could_run_something_is_refused(url, ref, installer):
    with pytest.raises(SourceUnusableError):
        await installer.store.fetch(of_git(url, ref), installer.staging())


async def test_nothing_of_a_repository_runs(installer, repository, tmp_path):
    marker = tmp_path / "was-run"
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    git(repository, "submodule", "add", "-q", repository.as_uri(), "sub")
    (repository / ".gitattributes").write_text("*.py filter=evil\n")
    git(repository, "config", "filter.evil.smudge", f"touch {marker}; cat")
    git(repository, "add", ".")
    git(repository, "-c", "core.hooksPath=/dev/null", "commit", "-qm", "three")
    _, tree, _, _ = await installer.wheel_of(of_git(repository.as_uri()))
    assert not marker.exists()
    assert files_below(tree.path / "sub") == {}


async def test_link_in_a_repository_is_refused(installer, repository):
    (repository / "way-out").symlink_to("/etc/passwd")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "link")
    with pytest.raises(ArchiveUnsafeError, match="way-out is a link"):
        await installer.wheel_of(of_git(repository.as_uri()))


async def test_credentials_of_a_git_url_are_never_stored_or_shown(installer):
    url = "https://user:open-sesame@127.0.0.1:9/repository.git?token=open-sesame"
    with pytest.raises(SourceUnreachableError) as raised:
        await installer.store.fetch(of_git(url), installer.staging())
    assert "127.0.0.1:9/repository.git" in raised.value.message
    assert "open-sesame" not in raised.value.message
    assert not [
        file for file, data in files_below(installer.store.folders.data_dir).items() if b"open-sesame" in data
    ]


async def test_large_repository_is_refused(installer, repository):
    installer.store.limits = dataclasses.replace(installer.store.limits, fetched_bytes=200_000)
    (repository / "large.bin").write_bytes(os.urandom(400_000))
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "large")
    with pytest.raises(PackageTooLargeError):
        await installer.store.fetch(of_git(repository.as_uri()), installer.staging())


async def test_fetch_that_takes_too_long_is_ended(installer, repository):
    installer.store.limits = dataclasses.replace(installer.store.limits, fetch_s=0.0)
    with pytest.raises(SourceUnreachableError, match="longer than"):
        await installer.store.fetch(of_git(repository.as_uri()), installer.staging())


async def test_origin_of_an_upload_names_the_file_and_its_digest(installer, tmp_path):
    path = make_plugin_wheel(tmp_path).rename(tmp_path / "upload-17")
    named = "isp_greeter-1.0.0-py3-none-any.whl"
    download, *_ = await installer.wheel_of(upload(path, name=f"C/../{named}"))
    assert download.path.name == named
    assert (download.origin["name"], download.origin["location"]) == (named, named)
    assert len(download.origin["sha256"]) == 64


async def test_folder_is_copied_without_its_owners_tools(installer, tmp_path):
    source = make_source(tmp_path / "source")
    (source / ".git").mkdir()
    (source / ".venv" / "bin").mkdir(parents=True)
    (source / ".venv" / "bin" / "python").symlink_to("/usr/bin/python3")
    download = await installer.store.fetch(folder(source), installer.staging())
    assert {path.name for path in download.path.iterdir()} == {"greeter", "backend.py", "pyproject.toml"}


async def test_link_in_a_folder_is_refused(installer, tmp_path):
    source = make_source(tmp_path / "source")
    (source / "way-out").symlink_to("/etc")
    with pytest.raises(ArchiveUnsafeError, match="way-out"):
        await installer.store.fetch(folder(source), installer.staging())


async def test_package_above_the_limit_is_refused(installer, tmp_path):
    installer.store.limits = dataclasses.replace(installer.store.limits, fetched_bytes=1000)
    large = tmp_path / "large.zip"
    large.write_bytes(bytes(1001))
    source = make_source(tmp_path / "source")
    (source / "large.bin").write_bytes(bytes(1001))
    for given in (upload(large), folder(source)):
        with pytest.raises(PackageTooLargeError, match="ISP_PLUGINS_PACKAGE_MAX_MB"):
            await installer.store.fetch(given, installer.staging())


@pytest.mark.parametrize("location", ["absent", "/dev/null", "/dev/zero"])
async def test_what_is_no_file_is_refused(location, installer):
    with pytest.raises(SourceUnusableError):
        await installer.store.fetch(upload(location), installer.staging())
    with pytest.raises(SourceUnusableError):
        await installer.store.fetch(folder(location), installer.staging())


async def test_pipe_is_refused_without_waiting_for_its_writer(installer, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for given in (upload(tmp_path / "pipe"), folder(tmp_path / "pipe")):
        with pytest.raises(SourceUnusableError, match="something else"):
            await installer.store.fetch(given, installer.staging())


async def test_cancelled_step_has_stopped_writing_when_it_is_left(installer, tmp_path):
    source = make_source(tmp_path / "source")
    (source / "large.bin").write_bytes(bytes(30_000_000))
    staging = installer.staging()
    fetching = asyncio.create_task(installer.store.fetch(folder(source), staging))
    await until((staging / "download").is_dir)
    fetching.cancel()
    with contextlib.suppress(asyncio.CancelledError):  # it may have been quicker
        await fetching
    assert (staging / "download" / "pyproject.toml").exists()


@pytest.mark.parametrize("content", [b"", b"plain text", b"\x7fELF"])
async def test_other_kind_of_file_is_refused(content, installer, tmp_path):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(PackageShapeError, match="another kind of file"):
        await installer.wheel_of(upload(tmp_path / "x"))


async def test_folder_without_description_is_refused(installer, tmp_path):
    (tmp_path / "source").mkdir()
    with pytest.raises(PackageShapeError, match=r"pyproject\.toml"):
        await installer.wheel_of(folder(tmp_path / "source"))
