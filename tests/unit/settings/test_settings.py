"""The server's own settings."""

import dataclasses
from pathlib import Path

import pytest

from isp_plugins.settings import Settings, SettingsError
from isp_plugins.settings.values import variable_of


def mistakes(environ: dict[str, str], **overrides: object) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment(environ, **overrides)
    return [str(mistake) for mistake in raised.value.fields["mistakes"]]


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_environment({}) == Settings()


def test_every_default_is_acceptable_and_documented() -> None:
    for spec in dataclasses.fields(Settings()):
        assert spec.metadata["doc"].endswith("."), spec.name


def test_a_variable_is_read_by_its_type() -> None:
    settings = Settings.from_environment(
        {"ISP_PLUGINS_PORT": "9000", "ISP_PLUGINS_DATA_DIR": "/srv/isp", "ISP_PLUGINS_DRAIN_TIMEOUT": "2.5"}
    )
    assert (settings.port, settings.data_dir, settings.drain_timeout) == (9000, Path("/srv/isp"), 2.5)


def test_variables_of_others_are_left_alone() -> None:
    assert Settings.from_environment({"PATH": "/bin", "ISP_PLUGIN": "x"}) == Settings()


def test_an_option_wins_over_the_environment() -> None:
    assert Settings.from_environment({"ISP_PLUGINS_PORT": "1"}, port=2).port == 2


def test_an_option_that_is_not_given_changes_nothing() -> None:
    assert Settings.from_environment({"ISP_PLUGINS_PORT": "1"}, port=None).port == 1


def test_an_unknown_variable_is_refused_with_a_guess() -> None:
    assert mistakes({"ISP_PLUGINS_PROT": "1"}) == [
        "ISP_PLUGINS_PROT is not a setting, did you mean ISP_PLUGINS_PORT?"
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "many"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "1.5"),
        ("DRAIN_TIMEOUT", "nan"),
        ("DRAIN_TIMEOUT", "-0.1"),
        ("LOAD_TIMEOUT", "soon"),
        ("LOG_LEVEL", "LOUD"),
        ("NODE", "a b"),
        ("NODE", ""),
        ("DATABASE_URL", "mysql://h/x"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(name: str, value: str) -> None:
    (mistake,) = mistakes({f"ISP_PLUGINS_{name}": value})
    assert mistake.startswith(f"ISP_PLUGINS_{name}")


def test_all_mistakes_are_listed_together() -> None:
    bad = {
        "ISP_PLUGINS_PORT": "x",
        "ISP_PLUGINS_NOPE": "1",
        "ISP_PLUGINS_LOG_LEVEL": "LOUD",
        "ISP_PLUGINS_LOAD_TIMEOUT": "0",
    }
    assert len(mistakes(bad)) == 4


def test_a_bad_option_is_refused_too() -> None:
    assert mistakes({}, port=70000) == ["ISP_PLUGINS_PORT: expected at most 65535, got 70000"]


def test_a_secret_value_is_not_repeated() -> None:
    (mistake,) = mistakes({"ISP_PLUGINS_DATABASE_URL": "mysql://user:hunter2@h/x"})
    assert "hunter2" not in mistake


def test_the_database_is_in_the_data_directory_by_default(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).url == f"sqlite:///{tmp_path}/isp-plugins.db"


def test_the_plugin_path_is_the_data_directory_by_default(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).plugin_folders == (tmp_path,)


def test_the_plugin_path_may_have_several_folders() -> None:
    assert Settings(plugin_path="/a:/b:").plugin_folders == (Path("/a"), Path("/b"))


def test_a_variable_is_named_after_its_field() -> None:
    assert variable_of("data_dir") == "ISP_PLUGINS_DATA_DIR"
