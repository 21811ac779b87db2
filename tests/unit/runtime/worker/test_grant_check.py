"""Host calls and secrets against grants."""

import pytest

from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugins.contracts.grants import DenialKind
from isp_plugins.runtime.worker.grant_check import TRUSTED, GrantCheck


def check(*calls, secrets=()):
    return GrantCheck.of(Grants(host_calls=calls, secrets=secrets))


def test_nothing_granted_allows_no_call():
    denials = [check().storage(), check().dispatch("invoice_created"), check().emit("x")]
    assert [denial.what for denial in denials] == ["storage", "dispatch:invoice_created", "emit:x"]
    assert {denial.kind for denial in denials} == {DenialKind.HOST_CALL}


def test_denial_names_the_line_to_ask_for():
    assert check().emit("payment_received").grant == 'host_calls = ["emit:payment_received"]'


@pytest.mark.parametrize(
    ("grant", "hook", "allowed"),
    [
        ("dispatch:invoice_created", "invoice_created", True),
        ("dispatch:invoice_created", "invoice_created_2", False),
        ("dispatch:invoice_*", "invoice_paid", True),
        ("dispatch:invoice_*", "customer_invoice_paid", False),
        ("dispatch:*", "anything", True),
        ("dispatch", "anything", True),
        ("emit:invoice_paid", "invoice_paid", False),
    ],
)
def test_hook_fits_its_grant(grant, hook, allowed):
    assert (check(grant).dispatch(hook) is None) is allowed


def test_secrets_that_are_not_granted_are_left_out():
    values = {"url": "x", "api_key": "s1", "other": "s2"}
    given, denials = check(secrets=("api_key",)).configuration(values, {"api_key", "other"})
    assert given == {"url": "x", "api_key": "s1"}
    assert [denial.what for denial in denials] == ["other"]


def test_plugin_without_a_manifest_is_trusted():
    assert (TRUSTED.storage(), TRUSTED.dispatch("a"), TRUSTED.emit("b")) == (None, None, None)
    assert TRUSTED.configuration({"k": "s"}, {"k"}) == ({"k": "s"}, ())
