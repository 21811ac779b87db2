"""What a change of one plugin means to others, judged on what is stored."""

from datetime import UTC, datetime

import pytest

from isp_plugins.contracts.vocabulary import Desired, LogLevel, PluginType, RuntimeKind, State
from isp_plugins.lifecycle.dependencies import Dependency, DependencyKind
from isp_plugins.lifecycle.errors import DependencyCycleError, PeerUnfitError
from isp_plugins.lifecycle.peers import (
    Change,
    Needing,
    Stored,
    relied_on,
    require_needs,
    require_no_circle,
    require_no_loss,
)
from isp_plugins.lifecycle.records import PluginRecord

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def record(**fields):
    given = {
        "id": 1,
        "name": "billing",
        "version": "1.0",
        "desired": Desired.DISABLED,
        "state": State.DISABLED,
    }
    return PluginRecord(
        **{"needs": ()} | given | fields,
        display_name="",
        description="",
        author="",
        plugin_type=PluginType.BILLING,
        module_path="plugins.x",
        entry_point="X",
        config_schema={},
        runtime=RuntimeKind.IN_PROCESS,
        exclusive=True,
        trusted_inline=False,
        log_level=LogLevel.INFO,
        generation=1,
        created_at=NOW,
        updated_at=NOW,
        since=NOW,
    )


def dependency(name="tax", specifier="<3", *, optional=False):
    return Dependency(DependencyKind.PLUGIN, name, specifier, optional)


def wanted(**fields):
    return record(desired=Desired.ENABLED, **fields)


def enabling(**fields):
    billing = record(name="billing", needs=(dependency(**fields),))
    return Change(billing, wanted(name="billing", needs=billing.needs))


TAX = {"tax": Stored(2, Desired.ENABLED, "2.1")}


def test_who_becomes_wanted_relies_on_what_it_needs():
    assert relied_on([enabling()]) == {"tax"}


def test_an_optional_need_is_not_relied_on():
    assert relied_on([enabling(optional=True)]) == set()


def test_who_was_wanted_before_relies_on_nothing_again():
    same = wanted(needs=(dependency(),))
    assert relied_on([Change(same, same)]) == set()


def test_a_running_plugin_relies_on_new_needs():
    before = wanted(state=State.ACTIVE)
    assert relied_on([Change(before, wanted(state=State.ACTIVE, needs=(dependency(),)))]) == {"tax"}


def test_a_need_that_is_wanted_and_fits_is_met():
    require_needs([enabling()], TAX)
    assert relied_on([enabling()]) <= TAX.keys()


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ({}, "needs plugin tax <3, which is not registered any more"),
        ({"tax": Stored(2, Desired.DISABLED, "2.1")}, "which is disabled now.*Enable tax first"),
        ({"tax": Stored(2, Desired.ENABLED, "3.0")}, "which is version 3.0 now.*Bring tax to a version that"),
    ],
)
def test_a_need_that_is_not_met_is_told_with_the_next_step(stored, told):
    with pytest.raises(PeerUnfitError, match=f"Plugin billing was not changed.*{told}"):
        require_needs([enabling()], stored)


def test_a_need_that_changes_in_the_same_step_counts_as_it_becomes():
    change = Change(record(name="tax", id=2), wanted(name="tax", id=2, version="2.0"))
    require_needs([enabling(), change], {"tax": Stored(2, Desired.DISABLED, "1.0")})
    with pytest.raises(PeerUnfitError, match="not registered any more"):
        require_needs([enabling(), Change(record(name="tax", id=2), None)], TAX)


BILLING = Needing(1, "billing", dependency())


@pytest.mark.parametrize("after", [None, record(name="tax")])
def test_who_is_needed_may_not_go(after):
    with pytest.raises(
        PeerUnfitError, match="tax was not changed: plugin billing is enabled now, and needs it"
    ):
        require_no_loss([Change(wanted(name="tax"), after)], [BILLING])


def test_who_goes_together_with_those_that_need_it_may_go():
    going = [Change(wanted(name=name), record(name=name)) for name in ("tax", "billing")]
    require_no_loss(going, [BILLING])
    assert all(change.goes for change in going)


def test_a_version_that_somebody_cannot_work_with_is_refused():
    change = Change(wanted(name="tax", version="2.0"), wanted(name="tax", version="3.0"))
    with pytest.raises(PeerUnfitError, match=r"needs tax <3, which version 3\.0 is not"):
        require_no_loss([change], [BILLING])


def test_a_version_that_fits_is_none_of_anybodys_business():
    change = Change(wanted(name="tax", version="2.0"), wanted(name="tax", version="2.1"))
    require_no_loss([change], [BILLING])
    assert change.leaves
    assert not change.goes


def test_a_circle_is_refused_with_its_members():
    with pytest.raises(DependencyCycleError, match="tax -> billing -> tax"):
        require_no_circle("tax", {"billing": ("tax",), "tax": ("billing",)})
