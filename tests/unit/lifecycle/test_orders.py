"""What an installation is asked for, checked before anything is done."""

import pytest

from isp_plugins.lifecycle.errors import (
    LocalSourceMissingError,
    LocalSourceRefusedError,
    PackageVersionMismatchError,
    RegistryAbsentError,
)
from isp_plugins.lifecycle.orders import (
    InstallOrder,
    SourceType,
    digest_in,
    source_of,
    without_credentials,
)
from isp_plugins.packages.values import Source, SourceKind


def order(source_type=SourceType.GIT, location="https://git.example.net/x.git", **fields):
    return InstallOrder(
        source_type=source_type,
        source=Source(SourceKind.GIT, location, name=fields.pop("file", None)),
        **fields,
    )


def test_registry_is_refused_with_what_to_use_instead():
    with pytest.raises(RegistryAbsentError, match="Use source_type upload, git or local"):
        source_of(SourceType.REGISTRY, "coverage_map", version=None, roots=())


def test_git_is_pinned_to_what_the_version_names():
    found = source_of(SourceType.GIT, "https://git.example.net/x.git", version="v1.2", roots=())
    assert found == Source(SourceKind.GIT, "https://git.example.net/x.git", ref="v1.2")


@pytest.mark.parametrize("scheme", ["file", "FILE"])
def test_repository_on_the_server_is_a_folder_of_the_server(tmp_path, scheme):
    url = f"{scheme}://{tmp_path}"
    with pytest.raises(LocalSourceRefusedError):
        source_of(SourceType.GIT, url, version=None, roots=())
    assert source_of(SourceType.GIT, url, version=None, roots=(tmp_path,)).location == tmp_path.as_uri()


@pytest.mark.parametrize("rest", ["?/../../secret", "#/../../secret", "/../link"])
def test_git_gets_the_folder_that_was_looked_at_and_no_other_reading_of_its_url(tmp_path, rest):
    root = tmp_path / "root"
    for folder in (root / "repository", root / "repository?", root / "repository#", tmp_path / "secret"):
        folder.mkdir(parents=True)
    (root / "link").symlink_to(root / "repository")
    found = source_of(SourceType.GIT, f"file://{root}/repository{rest}", version=None, roots=(root,))
    assert found.location == (root / "repository").as_uri()


def test_folder_is_refused_unless_the_operator_allowed_its_root(tmp_path):
    with pytest.raises(LocalSourceRefusedError, match="none is allowed"):
        source_of(SourceType.LOCAL, str(tmp_path), version=None, roots=())
    found = source_of(SourceType.LOCAL, str(tmp_path), version=None, roots=(tmp_path,))
    assert found.kind is SourceKind.DIRECTORY


@pytest.mark.parametrize("location", ["../outside", "plugins", "/etc", "{root}/../outside", "{root}/link"])
def test_folder_outside_the_root_is_refused_however_it_is_written(tmp_path, location):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside").mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(LocalSourceRefusedError):
        source_of(SourceType.LOCAL, location.format(root=root), version=None, roots=(root,))


def test_missing_folder_is_told_only_below_the_root(tmp_path):
    with pytest.raises(LocalSourceMissingError):
        source_of(SourceType.LOCAL, str(tmp_path / "none"), version=None, roots=(tmp_path,))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:token@git.example.net/x.git", "https://git.example.net/x.git"),
        ("https://git.example.net:8443/x.git", "https://git.example.net:8443/x.git"),
        ("git@git.example.net:x.git", "git@git.example.net:x.git"),
        ("/srv/plugins/x", "/srv/plugins/x"),
    ],
)
def test_credentials_of_a_url_are_not_shown(url, shown):
    assert without_credentials(url) == shown
    assert order(location=url).to_request()["source_location"] == shown


def test_request_holds_keys_of_the_configuration_but_no_value():
    request = order(configuration={"password": "s3cret"}).to_request()
    assert request["configuration_keys"] == ["password"]
    assert "s3cret" not in str(request)
    assert "s3cret" not in repr(order(configuration={"password": "s3cret"}))


def test_version_of_git_is_a_reference_and_no_expectation():
    order(version="main").check_manifest("mailer", "1.0.0")
    with pytest.raises(PackageVersionMismatchError):
        order(SourceType.UPLOAD, version="2.0.0").check_manifest("mailer", "1.0.0")


def test_digest_is_read_with_and_without_its_prefix():
    assert digest_in("sha256:" + "A" * 64) == digest_in("a" * 64) == "a" * 64
    assert digest_in(None) is None
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        digest_in("md5:abc")
