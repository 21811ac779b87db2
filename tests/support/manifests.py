"""A good manifest, and documents that differ from it in one thing each."""

import copy

GOOD = {
    "name": "greeter",
    "display_name": "Greeter",
    "description": "Greets.",
    "version": "1.2.0rc1",
    "author": "Somebody",
    "plugin_type": "CUSTOM",
    "entry_point": "greeter.plugin:Greeter",
    "requires": {
        "host": ">=0.1,<2",
        "python": ">=3.11",
        "plugins": [{"name": "payment_gateway", "specifier": "~=1.2", "optional": True}],
    },
    "config_schema": {"greeting": {"type": "string", "default": "Welcome"}},
    "hooks": [
        {
            "hook_name": "customer_created",
            "hook_type": "action",
            "callback_method": "greet",
            "priority": 10,
            "conditions": 'name != ""',
            "timeout_ms": 500,
            "failure_policy": "stop",
            "own_echo": False,
            "is_active": True,
            "description": "",
        }
    ],
    "grants": {
        "network": ["mail.example.net:587", "*:443", "[::1]:25"],
        "files": {"read": ["/etc/ssl/certs"], "write": ["/var/spool/greeter"]},
        "host_calls": ["storage", "dispatch"],
        "secrets": ["password"],
        "processes": False,
    },
    "limits": {"memory_mb": 256, "cpu_percent": 50, "open_files": 256, "threads": 32},
    "exclusive": True,
    "schedules": [{"name": "nightly", "cron": "0 3 * * MON-FRI", "method": "tidy_up"}],
}
FULL_SCHEMA = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": {}}


def changed(path, value):
    """The good manifest with another value at a path; `...` takes the key away."""
    document = copy.deepcopy(GOOD)
    *outer, last = path.split(".")
    place = document
    for part in outer:
        place = place[int(part) if isinstance(place, list) else part]
    key = int(last) if isinstance(place, list) else last
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return document


ACCEPTED = [
    (path, value)
    for path, values in {
        "display_name": [...],
        "description": [..., "", "Grüße\nzwei Zeilen", "x" * 20_000],
        "author": [..., ""],
        "requires": [..., {}],
        "requires.host": ["", "==1.*", "!=1.0.1, >=1", ">= 1.0", "==1.0+local.1", "<2.0.dev1"],
        "requires.plugins": [[], ...],
        "requires.plugins.0": [{"name": "a"}],
        "version": ["1", "1.0.0", "2!1.0.post3.dev1", "1.0+build.5"],
        "config_schema": [{}, FULL_SCHEMA, {"type": "object"}, {"type": {"type": "string"}}, ...],
        "hooks": [[], ...],
        "hooks.0": [{"hook_name": "a", "hook_type": "filter", "callback_method": "m"}],
        "grants": [{}, ...],
        "limits": [{}, {"memory_mb": 32}],
        "exclusive": [False],
        "schedules": [[], ...],
        "schedules.0.cron": ["*/5 * * * *", "0,30 8-18/2 1 JAN *"],
        "plugin_type": ["BILLING", "COMMUNICATION"],
        "entry_point": ["plugin:P", "a.b.c:D_e"],
    }.items()
    for value in values
]
REFUSED = [
    (path, value)
    for path, values in {
        "name": [..., "", "Greeter", "1a", "a" * 65, "a b", "a\n", 7],
        "display_name": ["", "x" * 201, "nul\0", True],
        "description": ["x" * 20_001, []],
        "version": [..., "", "v1", "1.0.0-beta", "1.0 ", "one", 1],
        "plugin_type": [..., "billing", "OTHER", 1],
        "entry_point": [..., "plugin", "plugin:", ":P", "a..b:C", "a-b:C", "a:b.c", "a:b\n"],
        "command": [["node", "x.js"], []],
        "requires": [[], {"hosts": ">=1"}],
        "requires.host": [">=", "1.0", ">=1,", ">=1.*", "~=1", "===1", ">=1.0\n", 1],
        "requires.plugins": [{}, ["a"]],
        "requires.plugins.0": [{}, {"name": "A"}, {"name": "a", "optional": "yes"}],
        "config_schema": [[], {"a": "string"}, {"a": {}}, {"a": {"type": "text"}}, {"1a": {"type": "string"}}, {"type": "string"}],
        "hooks": [{}],
        "hooks.0.hook_name": [..., "Customer", ""],
        "hooks.0.hook_type": [..., "actions"],
        "hooks.0.callback_method": [..., "_private", "a.b"],
        "hooks.0.priority": [0, 1001, "10", True],
        "hooks.0.timeout_ms": [0, 600_001],
        "hooks.0.conditions": [""],
        "hooks.0.condition": ["true"],
        "grants.network": [["host"], ["host:"], ["a b:1"], "host:1"],
        "grants.files": [[], {"read": ["relative"]}, {"write": ["/a/../b"]}, {"read": ["/a/."]}],
        "grants.host_calls": [["everything"]],
        "grants.processes": ["no"],
        "limits.memory_mb": [1, "256", 1.5],
        "limits.disk": [1],
        "exclusive": ["yes", 1],
        "schedules.0.cron": ["* * * *", "@daily", "* * * * * *", "*  * * * *"],
        "schedules.0": [{"name": "x"}],
        "unknown": [1],
    }.items()
    for value in values
]  # fmt: skip
