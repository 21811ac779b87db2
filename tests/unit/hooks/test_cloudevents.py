"""CloudEvents as dispatches, in both modes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isp_plugins.hooks.cloudevents import STRUCTURED, is_cloudevent, parse, parse_binary, parse_structured
from isp_plugins.hooks.errors import CloudEventInvalidError

EVENT = {
    "specversion": "1.0",
    "type": "isp.customer_created.v1",
    "source": "/billing",
    "id": "a-1",
    "time": "2030-01-31T12:00:00Z",
    "partitionkey": "1001",
    "tenant": "north",
    "data": {"id": 1001},
}
HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "ce-specversion": "1.0",
    "ce-type": "isp.customer_created.v1",
    "CE-Source": "/billing",
    "ce-id": "a-1",
    "ce-partitionkey": "1001",
}


def without(name):
    return {key: value for key, value in EVENT.items() if key != name}


def paths(raised):
    return [one["path"] for one in raised.value.details]


def test_structured_event_is_a_dispatch():
    event = parse({"content-type": f"{STRUCTURED}; charset=utf-8"}, EVENT)
    assert (event.hook, event.payload) == ("customer_created", {"id": 1001})
    assert event.context == without("data")


def test_binary_event_is_the_same_dispatch():
    event = parse(HEADERS, {"id": 1001})
    assert (event.hook, event.payload) == ("customer_created", {"id": 1001})
    assert (event.context["source"], event.context["partitionkey"]) == ("/billing", "1001")
    assert event.idempotency_key == parse_structured(EVENT).idempotency_key


def test_binary_header_is_percent_decoded():
    event = parse_binary(HEADERS | {"ce-subject": "Jos%C3%A9%20Silva", "ce-note": '"a \\"b\\""'}, {})
    assert (event.context["subject"], event.context["note"]) == ("José Silva", 'a "b"')


def test_any_json_value_is_data():
    for data in (None, [], "text", 5):
        assert parse_structured(EVENT | {"data": data}).payload == data


def test_null_attribute_counts_as_absent():
    assert "subject" not in parse_structured(EVENT | {"subject": None}).context


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"content-type": STRUCTURED}, True),
        ({"Content-Type": "Application/CloudEvents+JSON"}, True),
        ({"content-type": "application/cloudevents-batch+json"}, True),
        ({"ce-type": "x"}, True),
        ({"Ce-Specversion": "1.0"}, True),
        ({"content-type": "application/json"}, False),
        ({}, False),
    ],
)
def test_cloudevent_is_recognised_by_its_headers(headers, expected):
    assert is_cloudevent(headers) is expected


def test_all_mistakes_are_told_at_once():
    bad = {
        "specversion": "0.3",
        "type": "customer_created",
        "source": "",
        "time": "today",
        "partitionkey": 5,
        "Bad_Name": 1,
        "ext": 1.5,
    }
    with pytest.raises(CloudEventInvalidError) as caught:
        parse_structured(bad)
    assert paths(caught) == [
        "specversion",
        "type",
        "source",
        "id",
        "time",
        "partitionkey",
        "Bad_Name",
        "ext",
        "data",
    ]


@pytest.mark.parametrize("name", ["specversion", "type", "source", "id", "data"])
def test_required_attribute_is_required(name):
    with pytest.raises(CloudEventInvalidError) as caught:
        parse_structured(without(name))
    assert paths(caught) == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("type", "isp.customer_created.v2"),
        ("type", "isp.Customer.v1"),
        ("type", "isp.a\n.v1"),
        ("type", 5),
        ("source", "has space"),
        ("source", "x" * 501),
        ("id", ""),
        ("id", "x" * 201),
        ("id", 7),
        ("id", "a\x00"),
        ("time", "2030-01-31T12:00:00"),
        ("time", "2030-13-31T12:00:00Z"),
        ("time", 5),
        ("subject", ""),
        ("datacontenttype", "text/xml"),
        ("dataschema", ""),
        ("partitionkey", ""),
        ("ext", {"a": 1}),
        ("ext", 2**31),
        ("a" * 21, "x"),
        ("data_base64", "AAAA"),
    ],
)
def test_attribute_that_does_not_fit_is_refused(name, value):
    with pytest.raises(CloudEventInvalidError) as caught:
        parse_structured(EVENT | {name: value})
    assert paths(caught) == [name]


@pytest.mark.parametrize("body", [None, [], "x", 5, [EVENT]])
def test_event_that_is_no_object_is_refused(body):
    with pytest.raises(CloudEventInvalidError):
        parse_structured(body)


def test_batch_is_refused():
    with pytest.raises(CloudEventInvalidError, match="batches are not supported"):
        parse({"content-type": "application/cloudevents-batch+json"}, [EVENT])


def test_binary_data_of_another_type_is_refused():
    with pytest.raises(CloudEventInvalidError) as caught:
        parse_binary(HEADERS | {"Content-Type": "text/xml"}, "<x/>")
    assert paths(caught) == ["datacontenttype"]


def test_other_json_media_types_are_json():
    assert (
        parse_structured(EVENT | {"datacontenttype": "application/vnd.isp+json; charset=utf-8"}).hook
        == "customer_created"
    )


@settings(deadline=None)
@given(
    st.text(min_size=1, max_size=5),
    st.text(min_size=1, max_size=5),
    st.text(min_size=1, max_size=5),
    st.text(min_size=1, max_size=5),
)
def test_different_events_have_different_keys(source, identifier, other_source, other_identifier):
    from isp_plugins.hooks.cloudevents import _key

    same = (source, identifier) == (other_source, other_identifier)
    assert (_key(source, identifier) == _key(other_source, other_identifier)) is same


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda x: st.lists(x, max_size=2),
            max_leaves=3,
        ),
    )
)
def test_any_other_object_is_refused(body):
    with pytest.raises(CloudEventInvalidError) as caught:
        parse_structured(body)
    assert caught.value.details
