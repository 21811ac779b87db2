"""Suspects of one plugin's feeds are tried alone."""

from dataclasses import dataclass

import pytest

from isp_plugins.events.company import Company


@dataclass(eq=False)
class Member:
    under_way: bool = False
    wants_alone: bool = False
    alone: bool = False
    woken: int = 0

    def wake(self, *, more=True):
        assert not more
        self.woken += 1


@pytest.fixture
def company():
    company = Company()
    company.members = {Member(): None, Member(): None}
    return company


def test_nothing_is_barred_while_nobody_is_suspect(company):
    one, _ = company.members
    assert not company.barred
    assert not company.is_turn_of(one)


def test_a_suspect_that_is_due_keeps_all_others_from_beginning(company):
    one, other = company.members
    one.wants_alone = True
    assert company.barred
    assert company.is_turn_of(one)
    assert not company.is_turn_of(other)


@pytest.mark.parametrize("busy", [0, 1])
def test_a_suspect_waits_for_what_is_under_way(company, busy):
    one, _ = company.members
    one.wants_alone = True
    list(company.members)[busy].under_way = True
    assert not company.is_turn_of(one)


def test_nothing_begins_beside_a_suspect(company):
    one, other = company.members
    one.alone = one.under_way = other.wants_alone = True
    assert company.barred
    assert not company.is_turn_of(other)


def test_an_end_wakes_those_who_wait_for_it(company):
    one, other = company.members
    company.ended(alone=False)
    assert (one.woken, other.woken) == (0, 0)
    company.ended(alone=True)
    assert (one.woken, other.woken) == (1, 1)
    other.wants_alone = True
    company.ended(alone=False)
    assert (one.woken, other.woken) == (2, 2)
