"""Which plugins would not load on another version of the host, decided over records."""

import pytest

from isp_plugins.contracts.vocabulary import Desired, LogLevel, PluginType, RuntimeKind, State
from isp_plugins.lifecycle.dependencies import Dependency, DependencyKind
from isp_plugins.lifecycle.errors import TargetVersionInvalidError
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.releases import Foundations, ReleaseDraft
from isp_plugins.lifecycle.suitability import Obstacle, SuitabilityReport, Target, judge
from isp_plugins.testing import FakeClock

BASE = Foundations(python="3.11", sdk="1.4.0")
NOW = FakeClock().now()


def record(name="one", number=1, *, requires=None, command=None, needs=(), installed=True, version="1.0.0"):
    described = {"name": name, "version": version, "plugin_type": "CUSTOM", "entry_point": f"{name}:Plugin"}
    described |= {"requires": requires or {}} | ({"command": command} if command else {})
    draft = ReleaseDraft(
        version=version, digest="0" * 64, environment="1" * 64, lock={}, manifest=described, source={}, operation_id=1
    )  # fmt: skip
    release = draft.provisional(NOW, "ada") if installed else None
    return PluginRecord(
        id=number, name=name, display_name=name, description="", version=version, author="", plugin_type=PluginType.CUSTOM,
        module_path=name, entry_point="Plugin", config_schema={}, runtime=RuntimeKind.PROCESS, exclusive=False, trusted_inline=False,
        log_level=LogLevel.INFO, desired=Desired.ENABLED, generation=1, needs=tuple(needs), created_at=NOW, updated_at=NOW,
        state=State.ACTIVE, since=NOW, release=release,
    )  # fmt: skip


def kinds(*records, against="1.5.0", python=None, base=BASE, packages=lambda _name: None):
    """The obstacles of each plugin that has any."""
    found = judge(records, {0: base} if base else {}, Target.of(against, python), packages)
    return {one.record.name: [reason.kind for reason in one.reasons] for one in found if one.reasons}


def needs(name, specifier="", *, kind=DependencyKind.PLUGIN, optional=False):
    return Dependency(kind, name, specifier, optional)


@pytest.mark.parametrize(
    ("requires", "against"), [("", "1.5.0"), (">=1,<2", "1.5.0"), (">=1", "1.5.0rc1"), ("~=1.4", "1.9")]
)
def test_host_within_the_requirement_loads(requires, against):
    assert kinds(record(requires={"host": requires}), against=against) == {}


@pytest.mark.parametrize("against", ["2.0.0", "0.9", "2.0.0a1"])
def test_host_beyond_the_requirement_is_told(against):
    found = judge([record(requires={"host": ">=1,<2"})], {}, Target.of(against))
    (reason,) = found[0].reasons
    assert (reason.kind, reason.found) == (Obstacle.HOST, f"isp-plugins {against}")
    assert ">=1,<2" in reason.expected
    assert "isp-plugins upgrade one" in reason.next_step


def test_python_counts_only_where_it_is_given():
    one = record(requires={"python": "<3.12"})
    assert kinds(one) == {}
    assert kinds(one, python="3.11.9") == {}
    assert kinds(one, python="3.12") == {"one": [Obstacle.PYTHON, Obstacle.ENVIRONMENT]}


@pytest.mark.parametrize(
    ("sdk", "against", "loads"),
    [
        ("1.4.0", "1.0.0", True),
        ("1.4.0", "2.7.0", True),
        ("0.1.0", "1.0.0", True),
        ("1.4.0", "3.0.0", False),
        ("2.0.0", "1.9.0", False),
        (None, "1.0.0", False),
    ],
)
def test_sdk_of_the_same_major_version_or_the_one_before_is_served(sdk, against, loads):
    found = kinds(record(), against=against, base=Foundations("3.11", sdk))
    assert found == ({} if loads else {"one": [Obstacle.SDK]})


def test_command_brings_its_own_but_for_python():
    old = Foundations("3.11", "1.0.0")
    assert kinds(record(command=["node", "x.js"]), against="9.0", python="3.14", base=old) == {}
    found = kinds(record(command=["python", "x.py"]), against="9.0", python="3.14", base=old)
    assert found == {"one": [Obstacle.ENVIRONMENT, Obstacle.SDK]}


def test_plugin_takes_those_that_require_it_along():
    records = [
        record("top", 1, needs=[needs("middle")], installed=False),
        record("middle", 2, needs=[needs("base", ">=1")], installed=False),
        record("base", 3, requires={"host": "<2"}),
        record("beside", 4, needs=[needs("base", optional=True)], installed=False),
    ]
    assert kinds(*records, against="2.0") == {
        "base": [Obstacle.HOST],
        "middle": [Obstacle.PLUGIN],
        "top": [Obstacle.PLUGIN],
    }


def test_plugin_that_is_not_there_or_of_another_version_is_told():
    one = record(needs=[needs("absent"), needs("other", ">=2")])
    found = judge([one, record("other", 2)], {0: BASE}, Target.of("1.5.0"))
    assert [reason.found for reason in found[0].reasons] == ["no such plugin", "version 1.0.0"]


def test_python_package_of_the_host_is_looked_for():
    one = record(needs=[needs("lib", ">=2", kind=DependencyKind.PYTHON)], installed=False)
    assert kinds(one) == {"one": [Obstacle.PYTHON_PACKAGE]}
    assert kinds(one, packages=lambda _name: "1.0") == {"one": [Obstacle.PYTHON_PACKAGE]}
    assert kinds(one, packages=lambda _name: "2.1") == {}


def test_plugins_that_need_each_other_end_the_question():
    records = [record("a", 1, needs=[needs("b")]), record("b", 2, needs=[needs("a")])]
    assert kinds(*records) == {}


def test_report_tells_bad_ones_first_and_only_what_may_be_seen():
    found = judge([record("a", 1), record("b", 2, requires={"host": "<1"})], {0: BASE}, Target.of("1.5"))
    report = SuitabilityReport(Target.of("1.5"), "1.4", found)
    assert [one["name"] for one in report.to_dict()["items"]] == ["b", "a"]
    assert not report.to_dict()["would_all_load"]
    assert report.only(lambda name: name == "a").to_dict()["would_all_load"]


@pytest.mark.parametrize(("host", "python"), [("", None), ("latest", None), (">=2", None), ("2.0", "py312")])
def test_version_that_is_none_is_refused_with_an_example(host, python):
    with pytest.raises(TargetVersionInvalidError, match="must be one like"):
        Target.of(host, python)
