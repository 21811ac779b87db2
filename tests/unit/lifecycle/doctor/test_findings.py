"""A report is as bad as its worst finding."""

import itertools
from datetime import UTC, datetime

import pytest

from isp_plugins.lifecycle.doctor.findings import (
    FindingStatus,
    Report,
    SubjectKind,
    ok,
    problem,
    unknown,
    warning,
    worst,
)

WORSE = (FindingStatus.OK, FindingStatus.UNKNOWN, FindingStatus.WARNING, FindingStatus.PROBLEM)


@pytest.mark.parametrize(("one", "other"), [*itertools.pairwise(WORSE)])
def test_later_status_is_worse(one, other):
    assert worst([other, one]) is other


def test_nothing_found_is_ok():
    assert worst([]) is FindingStatus.OK


def test_report_has_the_status_of_its_worst_finding():
    found = (ok("a", "b"), problem("c", "d", expected="e", next_step="f"), unknown("g", "h"))
    report = Report(SubjectKind.PLUGIN, "mailer", datetime(2030, 1, 1, tzinfo=UTC), found)
    assert report.to_dict()["status"] == "problem"


def test_masked_finding_hides_a_secret_in_every_text():
    found = warning("log", "hunter2 refused", expected="not hunter2", next_step="change hunter2")
    hidden = found.masked(lambda text: text.replace("hunter2", "********"))
    assert "hunter2" not in str(hidden.to_dict())


def test_empty_texts_are_null_in_the_api():
    assert ok("a", "b").to_dict()["next_step"] is None
