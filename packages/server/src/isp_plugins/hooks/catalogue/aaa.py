"""Hooks of RADIUS and addresses."""

from isp_plugins.hooks.catalogue.define import Domain

_aaa = Domain("aaa")

HOOKS = (
    _aaa.filter(
        "aaa_authorize",
        mutable=("reply",),
        fail_closed=False,  # open: a broken plugin must not keep every subscriber out
        key="username",
        deadline_ms=50,
        sample={
            "username": "ana@home",
            "nas": "bng-1",
            "calling_station": "00:53:00:00:00:01",
            "reply": {"Framed-IP-Address": "192.0.2.10"},
        },
    ),
    _aaa.fact(
        "aaa_rejected",
        key="username",
        deadline_ms=1_000,
        sample={"username": "ana@home", "nas": "bng-1", "reason": "wrong password", "count": 3},
    ),
    _aaa.fact(
        "aaa_session_started",
        key="id",
        deadline_ms=1_000,
        sample={
            "id": "s-9",
            "username": "ana@home",
            "service_id": 501,
            "nas": "bng-1",
            "ip": "192.0.2.10",
            "mac": "00:53:00:00:00:01",
        },
        tmf="- (seed repo: customer.connected)",
    ),
    _aaa.fact(
        "aaa_session_updated",
        key="id",
        deadline_ms=500,
        sample={"id": "s-9", "service_id": 501, "in_octets": 1048576, "out_octets": 52428800, "seconds": 600},
        tmf="ServiceUsageCreateEvent",
    ),
    _aaa.fact(
        "aaa_session_stopped",
        key="id",
        deadline_ms=1_000,
        sample={
            "id": "s-9",
            "service_id": 501,
            "cause": "User-Request",
            "totals": {"in_octets": 2097152, "out_octets": 104857600, "seconds": 1200},
        },
        tmf="- (customer.disconnected)",
    ),
    _aaa.filter(
        "aaa_coa_attributes",
        mutable=("attributes",),
        deadline_ms=200,
        sample={
            "session": {
                "id": "s-9",
                "username": "ana@home",
                "service_id": 501,
                "nas": "bng-1",
                "ip": "192.0.2.10",
            },
            "attributes": {"Filter-Id": "home-200"},
        },
    ),
    _aaa.action(
        "aaa_coa_requested",
        key="session_id",
        sample={
            "session_id": "s-9",
            "kind": "coa",
            "attributes": {"Filter-Id": "throttled"},
            "reason": "quota exceeded",
        },
    ),
    _aaa.fact(
        "aaa_coa_finished",
        key="session_id",
        sample={"session_id": "s-9", "ack": True, "error_cause": None},
    ),
    _aaa.fact(
        "ip_assigned",
        key="service_id",
        sample={
            "service_id": 501,
            "address": "192.0.2.10",
            "pool": "home",
            "lease": {"start": "2030-01-31T12:00:00Z", "end": None},
        },
        tmf="ResourceStateChangeEvent",
    ),
    _aaa.fact(
        "ip_released",
        key="service_id",
        sample={
            "service_id": 501,
            "address": "192.0.2.10",
            "pool": "home",
            "lease": {"start": "2030-01-31T12:00:00Z", "end": None},
        },
        tmf="ResourceStateChangeEvent",
    ),
)
