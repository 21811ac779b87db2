"""What a change makes of stored configuration: masks, secrets, mistakes, what stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.configuration import (
    MASK,
    ConfigChange,
    ConfigSchema,
    ConfigurationInvalidError,
    ConfigurationValueNotFoundError,
    SetValue,
    StoredValue,
)
from isp_plugins.configuration.planning import plan_change

SCHEMA = ConfigSchema.of(
    {
        "host": {"type": "string", "required": True},
        "port": {"type": "integer", "default": 587, "minimum": 1},
        "password": {"type": "string", "required": True, "encrypted": True},
        "pin": {"type": "string", "encrypted": True, "default": "0000"},
    }
)
OPEN = ConfigSchema.of({})
SECRET = StoredValue("hunter2-hunter2", is_encrypted=True, ciphertext=b"sealed")
LOST = StoredValue(None, is_encrypted=True, ciphertext=b"lost", is_readable=False)


def change(*, remove=(), replace_all=False, encrypted=None, **values):
    wanted = {key: SetValue(value, encrypted) for key, value in values.items()}
    return ConfigChange(set=wanted, remove=remove, replace_all=replace_all)


def refusal(schema, stored, asked):
    with pytest.raises(ConfigurationInvalidError) as refused:
        plan_change(schema, stored, asked)
    return {mistake["path"]: mistake["message"] for mistake in refused.value.details}


def test_a_value_is_set_and_defaults_are_filled_in():
    plan = plan_change(SCHEMA, {}, change(host="h", password="p"))
    assert plan.resolved == {"host": "h", "port": 587, "password": "p", "pin": "0000"}
    assert plan.changed_keys == ("host", "password")


def test_what_the_schema_calls_secret_is_encrypted():
    plan = plan_change(SCHEMA, {}, change(password="p"))
    assert plan.stored["password"].is_encrypted
    assert plan.stored["password"].ciphertext is None


def test_a_secret_of_the_schema_cannot_be_stored_in_clear():
    assert (
        "cannot be stored in clear" in refusal(SCHEMA, {}, change(password="p", encrypted=False))["password"]
    )


def test_a_value_is_stored_as_a_secret_without_a_schema():
    assert plan_change(OPEN, {}, change(token="t", encrypted=True)).stored["token"].is_encrypted


def test_a_stored_secret_stays_one_when_its_value_changes():
    plan = plan_change(OPEN, {"token": SECRET}, change(token="new"))
    assert plan.stored["token"] == StoredValue("new", is_encrypted=True)


def test_a_stored_secret_becomes_clear_only_with_its_value():
    plan = plan_change(OPEN, {"token": SECRET}, change(token="new", encrypted=False))
    assert not plan.stored["token"].is_encrypted
    asked = ConfigChange(set={"token": SetValue(MASK, False), "other": SetValue(1)})
    assert "send the value itself" in refusal(OPEN, {"token": SECRET}, asked)["token"]


def test_a_mask_alone_is_refused():
    assert "would change nothing" in refusal(SCHEMA, {"password": SECRET}, change(password=MASK))["password"]


def test_a_mask_among_other_values_keeps_the_stored_secret():
    plan = plan_change(SCHEMA, {"password": SECRET}, change(host="h", password=MASK))
    assert plan.stored["password"] is SECRET
    assert plan.changed_keys == ("host",)


def test_a_mask_in_a_change_of_all_keys_keeps_the_stored_secret():
    plan = plan_change(SCHEMA, {"password": SECRET}, change(password=MASK, replace_all=True))
    assert plan.stored == {"password": SECRET}


def test_a_mask_of_nothing_is_refused():
    assert "none to keep" in refusal(SCHEMA, {}, change(host="h", password=MASK))["password"]


def test_the_mask_of_a_default_secret_keeps_the_default():
    plan = plan_change(SCHEMA, {}, change(host="h", pin=MASK))
    assert "pin" not in plan.stored
    assert plan.resolved["pin"] == "0000"


@pytest.mark.parametrize("value", [f" {MASK}\n", {"inner": MASK}, [["x", MASK]]])
def test_a_mask_is_never_stored_however_it_is_wrapped(value):
    assert refusal(OPEN, {}, change(anything=value, other=1))


def test_a_mask_over_a_clear_value_is_refused():
    assert refusal(OPEN, {"name": StoredValue("n")}, change(name=MASK, other=1)).keys() == {"name"}


def test_a_missing_required_key_is_reported_not_refused():
    plan = plan_change(SCHEMA, {}, change(port=25))
    assert plan.missing_required == ("host", "password")
    assert len(plan.incomplete) == 2


def test_removing_a_required_key_is_reported():
    stored = {"host": StoredValue("h"), "password": SECRET}
    assert plan_change(SCHEMA, stored, change(remove=["host"])).missing_required == ("host",)


def test_removing_what_is_not_stored_is_not_found():
    with pytest.raises(ConfigurationValueNotFoundError, match="host"):
        plan_change(SCHEMA, {}, change(remove=["host"]))


def test_replacing_all_keys_removes_those_not_named():
    stored = {"host": StoredValue("h"), "port": StoredValue(25)}
    plan = plan_change(SCHEMA, stored, change(host="h", replace_all=True))
    assert plan.changed_keys == ("port",)
    assert plan.resolved["port"] == 587


def test_all_mistakes_of_a_change_are_reported_together():
    found = refusal(SCHEMA, {}, change(port=0, hots="h", password=MASK, host="nul\x00"))
    assert set(found) == {"port", "hots", "password", "host"}


def test_an_unknown_key_is_refused_with_a_suggestion():
    assert "'host'" in refusal(SCHEMA, {}, change(hosts="h"))["hosts"]


def test_setting_and_removing_a_key_at_once_is_refused():
    asked = ConfigChange(set={"host": SetValue("h")}, remove=["host"])
    assert refusal(SCHEMA, {"host": StoredValue("g")}, asked).keys() == {"host"}


@pytest.mark.parametrize("key", ["", "k" * 201, "line\nbreak", "nul\x00", "lone\ud800"])
def test_a_key_that_no_database_takes_is_refused(key):
    assert refusal(OPEN, {}, ConfigChange(set={key: SetValue(1)}))


@pytest.mark.parametrize(
    "value", ["a\x00b", "\ud800", float("nan"), float("inf"), 2**63, {"a": {1: 2}}, {1, 2}, b"x"]
)
def test_what_is_not_json_is_refused(value):
    assert refusal(OPEN, {}, change(key=value))


def test_a_value_that_is_too_large_is_refused():
    assert "65536 bytes" in refusal(OPEN, {}, change(key="x" * 70_000))["key"]


def test_endless_nesting_is_refused():
    value = []
    value.append(value)
    assert refusal(OPEN, {}, change(key=value))


def test_a_wrong_value_that_the_change_does_not_touch_does_not_refuse_it():
    stored = {"port": StoredValue("twenty-five"), "host": StoredValue("h"), "password": SECRET}
    plan = plan_change(SCHEMA, stored, change(host="g"))
    assert [it.path for it in plan.incomplete] == [("port",)]


def test_a_stored_key_that_a_newer_schema_dropped_stays_and_is_not_given_to_the_plugin():
    plan = plan_change(SCHEMA, {"old": StoredValue(1)}, change(host="h"))
    assert "old" in plan.stored
    assert "old" not in plan.resolved


def test_a_clear_value_that_the_schema_now_calls_secret_is_encrypted_with_the_next_change():
    plan = plan_change(SCHEMA, {"password": StoredValue("in clear")}, change(host="h"))
    assert plan.stored["password"].is_encrypted
    assert plan.changed_keys == ("host", "password")


def test_an_unreadable_secret_is_kept_while_others_are_set():
    plan = plan_change(SCHEMA, {"password": LOST}, change(host="h", port=25))
    assert plan.stored["password"] is LOST
    assert plan.missing_required == ()
    assert "password" not in plan.resolved


def test_an_unreadable_secret_can_be_replaced():
    assert plan_change(SCHEMA, {"password": LOST}, change(password="new")).stored["password"].is_readable


@pytest.mark.parametrize(("before", "after"), [(1, True), (1, 1.0), (0, False)])
def test_values_that_only_python_calls_equal_are_a_change(before, after):
    assert plan_change(OPEN, {"key": StoredValue(before)}, change(key=after)).changed_keys == ("key",)


def test_setting_the_same_value_changes_nothing():
    plan = plan_change(
        OPEN,
        {"key": StoredValue({"b": 1, "a": 2}), "token": SECRET},
        change(key={"a": 2, "b": 1}, token=SECRET.value),
    )
    assert plan.changed_keys == ()


def test_secrets_are_not_in_any_repr():
    plan = plan_change(SCHEMA, {"password": SECRET}, change(host="h", pin="hunter2-hunter2"))
    assert "hunter2" not in repr((plan, plan.stored, SetValue("hunter2"), change(pin="hunter2")))


texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(
    lambda text: text.strip() != MASK
)


@given(stored=st.dictionaries(st.sampled_from("abcdef"), st.tuples(texts, st.booleans()), max_size=6))
def test_sending_back_what_was_shown_changes_nothing(stored):
    before = {
        key: StoredValue(value, is_encrypted=hidden, ciphertext=b"x" if hidden else None)
        for key, (value, hidden) in stored.items()
    }
    shown = {key: MASK if value.is_encrypted else value.value for key, value in before.items()}
    plan = plan_change(OPEN, before, change(replace_all=True, **shown))
    assert plan.changed_keys == ()
    assert plan.stored == before
