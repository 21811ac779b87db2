"""The rules over values: whatever order news come in, a collected payment stays collected; amounts survive the way to the gateway and back."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def rules() -> Any:
    """The plugin's modules, loaded once."""
    root = ModuleType("isp_plugin_payment_rules")
    root.__path__ = [str(Path(__file__).parents[2])]
    sys.modules[root.__name__] = root
    return lambda name: importlib.import_module(f"isp_plugin_payment_rules.payment_gateway.{name}")


BUSY = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
"""The machine may be busy with the other tests."""
NEWS = st.lists(
    st.tuples(
        st.sampled_from(["pi_1", "pi_2", None]), st.sampled_from(["sent", "pending", "succeeded", "failed"])
    ),
    max_size=8,
)


@BUSY
@given(news=NEWS)
def test_collected_payment_stays_collected(rules: Any, news: list[tuple[Any, str]]) -> None:
    payments = rules("payments")
    payment = payments.Payment(
        id=1, key="k", amount=5, currency="EUR", fingerprint="", status=payments.Status.SENT
    )
    collected = False
    for transaction, status in news:
        one = payments.News(
            transaction_id=transaction,
            key="k",
            payment_id="1",
            status=payments.Status(status),
            amount=5,
            currency="EUR",
        )
        payment = payments.after(payment, one)
        collected = collected or status == "succeeded"
        assert (payment.status is payments.Status.SUCCEEDED) is collected


@BUSY
@given(news=NEWS)
def test_same_news_again_changes_nothing(rules: Any, news: list[tuple[Any, str]]) -> None:
    payments = rules("payments")
    payment = payments.Payment(
        id=1, key="k", amount=5, currency="EUR", fingerprint="", status=payments.Status.SENT
    )
    for transaction, status in news:
        one = payments.News(
            transaction_id=transaction,
            key="k",
            payment_id="1",
            status=payments.Status(status),
            amount=5,
            currency="EUR",
        )
        payment = payments.after(payment, one)
        assert payments.after(payment, one) == payment


def test_payment_survives_storage(rules: Any) -> None:
    payments = rules("payments")
    payment = payments.Payment(
        id="a", key="k", amount=5, currency="EUR", fingerprint="f", status=payments.Status.SENT
    )
    payment = payment.with_refund("1", amount=3)
    assert payments.Payment.load(payment.dump()) == payment


@BUSY
@given(st.data())
def test_amount_survives_the_way_to_the_gateway_and_back(rules: Any, data: Any) -> None:
    money = rules("money")
    currency = data.draw(st.sampled_from(sorted(money.DECIMALS)))
    amount = data.draw(st.integers(1, 10**9)) * (
        100 if currency == "MGA" else 10 if money.DECIMALS[currency] == 3 else 1
    )
    assert money.from_gateway(money.to_gateway(amount, currency), currency) == amount


@pytest.mark.parametrize(
    ("amount", "currency", "units", "text"),
    [
        (2990, "EUR", 2990, "29.90 EUR"),
        (500, "JPY", 500, "500 JPY"),
        (1500, "KWD", 1500, "1.500 KWD"),
        (500, "UGX", 50_000, "500 UGX"),
    ],
)
def test_amounts_of_each_kind_of_currency(
    rules: Any, amount: int, currency: str, units: int, text: str
) -> None:
    money = rules("money")
    assert (money.to_gateway(amount, currency), money.written(amount, currency)) == (units, text)


def test_ariary_with_a_fraction_is_refused(rules: Any) -> None:
    with pytest.raises(Exception, match="has a fraction"):
        rules("money").to_gateway(150, "MGA")


@BUSY
@given(st.text(max_size=300))
def test_storage_name_is_always_allowed(rules: Any, text: str) -> None:
    name = rules("payloads").slug(text)
    assert 0 < len(name) <= 100
    assert name.isascii()
    assert "/" not in name


@pytest.mark.parametrize("text", ["4242424242424242", "4242 4242 4242 4242", "3782-822463-10005"])
def test_card_number_is_known_by_its_check_digit(rules: Any, text: str) -> None:
    assert rules("redaction").is_card_number(text)
    assert not rules("redaction").is_card_number("1" + text[1:])
    assert text not in rules("redaction").clean(f"card {text} declined")
