"""`hooks` and `dispatch`: what the ISP's software calls, who answers, and a call by hand."""

import difflib
from typing import Annotated, Any
from urllib.parse import quote

import typer

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.operate.health import breaker_in_words
from isp_plugins.cli.operate.plugins import PluginArgument
from isp_plugins.cli.output import Column, record, say, table, warn
from isp_plugins.cli.session import Session, command, read_json

app = typer.Typer(no_args_is_help=True, help="Look at hooks, and bind plugin methods to them.")
HookIdArgument = Annotated[
    int, typer.Argument(metavar="HOOK_ID", help="Id of the subscription, as 'hooks of PLUGIN' shows it.")
]

CHAIN: tuple[Column, ...] = (
    ("PRIORITY", "priority"),
    ("PLUGIN", "plugin"),
    ("METHOD", "method"),
    ("TYPE", "type"),
    ("CONDITION", "condition"),
    ("RUNS", lambda entry: "yes" if entry.get("runs") else entry.get("skip_reason") or "no"),
    ("BREAKER", lambda entry: _unless_closed(entry["breaker"])),
    ("CALLS", "counters.calls"),
    ("ERRORS", "counters.errors"),
)
OUTCOMES: tuple[Column, ...] = (
    ("PLUGIN", "plugin"),
    ("METHOD", "method"),
    ("STATUS", "status"),
    ("WHY", lambda it: it.get("skip_reason") or _error_in_words(it.get("error"))),
    ("VALUE", "value"),
    ("MS", lambda it: f"{it['duration_ms']:.2f}" if it.get("duration_ms") is not None else None),
)

_BINDINGS = {
    "valid": "",
    "unverified": ", unverified: the plugin does not run, so that its method is looked at when it is enabled",
    "invalid": ", invalid: 'isp-plugins hooks of PLUGIN' says why",
}
"""What follows the sentence that a method was bound."""


def add_to(root: typer.Typer) -> None:
    """Add `dispatch` beside the group."""
    command(root, "dispatch")(dispatch)


@command(app, "list")
def list_hooks(
    session: Session,
    q: Annotated[
        str | None, typer.Option("--search", help="Only hooks whose name or description contains this.")
    ] = None,
    subscribed: Annotated[
        bool, typer.Option("--subscribed", help="Only hooks that somebody subscribes to.")
    ] = False,
) -> None:
    """List the hooks that the host knows."""
    answer = session.client.get("/hooks", q=q, subscribed=subscribed or None, size=200)
    columns: tuple[Column, ...] = (
        ("HOOK", "name"),
        ("KIND", "kind"),
        ("VETO", lambda hook: "yes" if hook["veto"] else ""),
        ("SUBSCRIPTIONS", "subscriptions"),
        ("DESCRIPTION", "description"),
    )
    session.show(answer, lambda it: table(it["items"], columns, empty="No hook matches."))


@command(app, "show")
def show(session: Session, hook: Annotated[str, typer.Argument(help="Name of the hook.")]) -> None:
    """Show one hook: its contract, a sample payload, and the chain as it would run."""
    answer = session.client.get(_path(hook))
    _hint_unless_known(session, hook, known=answer["known"])

    def human(found: dict[str, Any]) -> None:
        fields = (
            "name",
            "kind",
            "description",
            "veto",
            "after_the_fact",
            "deadline_ms",
            "mutable",
            "key",
            "sample",
        )
        record(found, tuple((name.replace("_", " "), name) for name in fields))
        say("")
        table(found["chain"], CHAIN, empty="Nobody subscribes to it.")

    session.show(answer, human)


@command(app, "of")
def of_plugin(session: Session, plugin: PluginArgument) -> None:
    """List a plugin's subscriptions."""
    answer = session.client.get(session.client.plugin_path(plugin, "hooks"))
    columns: tuple[Column, ...] = (
        ("ID", "id"),
        ("HOOK", "hook_name"),
        ("TYPE", "hook_type"),
        ("METHOD", "callback_method"),
        ("PRIORITY", "priority"),
        ("ACTIVE", "is_active"),
        ("BINDING", "binding"),
        ("CONDITION", "conditions"),
        ("PROBLEM", "binding_error"),
    )
    empty = f"{plugin} is bound to no hook. Bind one: isp-plugins hooks add {plugin} HOOK METHOD"
    session.show(answer, lambda it: table(it["items"], columns, empty=empty))


@command(app, "add")
def add(
    session: Session,
    plugin: PluginArgument,
    hook: Annotated[str, typer.Argument(help="Name of the hook.")],
    method: Annotated[str, typer.Argument(help="The plugin's method.")],
    hook_type: Annotated[str, typer.Option("--type", help="action, filter or event.")] = "action",
    priority: Annotated[int, typer.Option(help="1 to 1000, smaller runs first.")] = 100,
    condition: Annotated[
        str | None, typer.Option(help="CEL over the payload, e.g. 'country == \"PT\"'.")
    ] = None,
    timeout_ms: Annotated[int | None, typer.Option(help="Own deadline of a call, in milliseconds.")] = None,
    failure_policy: Annotated[str, typer.Option(help="continue or stop.")] = "continue",
    retry_min: Annotated[
        float | None, typer.Option(help="Of an event: seconds until it is tried again; doubles each time.")
    ] = None,
    retry_max: Annotated[float | None, typer.Option(help="Of an event: the longest of these pauses.")] = None,
    retry_attempts: Annotated[
        int | None, typer.Option(help="Of an event: failures after which it is a dead letter.")
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option(help="Of an event: now, beginning (of what is kept), or a time with its zone."),
    ] = None,
) -> None:
    """Bind a method of a plugin to a hook."""
    body = {
        "hook_name": hook,
        "callback_method": method,
        "hook_type": hook_type,
        "priority": priority,
        "failure_policy": failure_policy,
    }
    body |= {
        name: value
        for name, value in (
            ("conditions", condition),
            ("timeout_ms", timeout_ms),
            ("start_from", start_from),
        )
        if value is not None
    }
    bounds = {"min_s": retry_min, "max_s": retry_max, "attempts": retry_attempts}
    if given := {name: value for name, value in bounds.items() if value is not None}:
        body["retry"] = given
    answer = session.client.post(session.client.plugin_path(plugin, "hooks"), body)
    _hint_unless_known(session, hook)
    session.show(
        answer,
        lambda it: say(
            f"Bound {it['callback_method']} to {it['hook_name']} as hook {it['id']}{_BINDINGS.get(it['binding'], '')}."
        ),
    )


@command(app, "update")
def update(
    session: Session,
    plugin: PluginArgument,
    hook_id: HookIdArgument,
    changes: Annotated[
        str, typer.Argument(metavar="JSON|@FILE|-", help='The fields to change, e.g. {"is_active": false}.')
    ],
) -> None:
    """Change a subscription."""
    answer = session.client.put(
        session.client.plugin_path(plugin, "hooks", hook_id), read_json(changes, what="change")
    )
    session.show(answer, lambda it: say(f"Updated hook {it['id']} ({it['hook_name']})."))


@command(app, "remove")
def remove(session: Session, plugin: PluginArgument, hook_id: HookIdArgument) -> None:
    """Unbind a method."""
    session.client.delete(session.client.plugin_path(plugin, "hooks", hook_id))
    session.show({"removed": hook_id}, lambda _: say(f"Removed hook {hook_id}."))


def _path(hook: str, rest: str = "") -> str:
    """The API path of a hook; what is no name is the server's to refuse."""
    return f"/hooks/{quote(hook, safe='')}{rest}"


def _hint_unless_known(session: Session, hook: str, *, known: bool | None = None) -> None:
    """Say that a hook is not in the catalogue, and which one may be meant; the catalogue ships, so that no right to read it is needed."""
    from isp_plugins.hooks.catalogue import (
        CATALOGUE,
    )  # only where a name is asked for: the others start faster

    if known or hook in CATALOGUE:
        return
    close = difflib.get_close_matches(hook, CATALOGUE, n=1)
    meant = f"; did you mean {close[0]}?" if close else ". 'isp-plugins hooks list' shows it."
    warn(f"{hook} is not in the catalogue (an ISP's own hook is fine){meant}")


def _error_in_words(error: dict[str, Any] | None) -> str | None:
    """An error of a plugin as Python would print it: its type, and its message if it has one."""
    if error is None:
        return None
    return ": ".join(str(part) for part in (error.get("type"), error.get("message")) if part) or None


def _unless_closed(breaker: dict[str, Any]) -> str | None:
    """A circuit breaker that is not closed, in words."""
    return None if breaker["state"] == "closed" else breaker_in_words(breaker)


def dispatch(
    session: Session,
    hook: Annotated[str, typer.Argument(help="Name of the hook.")],
    payload: Annotated[
        str, typer.Argument(metavar="JSON|@FILE|-", help="The payload; for a filter, the value.")
    ] = "{}",
    context: Annotated[str | None, typer.Option(help="The caller's context, JSON.")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Measure every call.")] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key returns the first result for 24 h.")
    ] = None,
) -> None:
    """Dispatch a hook and show what every subscription did; ends with code 4 unless it completed."""
    body: dict[str, Any] = {"payload": read_json(payload, what="payload")}
    if context is not None:
        body["context"] = read_json(context, what="context")
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
    answer = session.client.send(
        "POST",
        _path(hook, "/dispatch"),
        json=body,
        params={"trace": "true"} if trace else None,
        headers=headers,
    )
    _hint_unless_known(session, hook, known=answer["known"])

    def human(result: dict[str, Any]) -> None:
        record(
            result,
            (
                ("hook", "hook"),
                ("status", "status"),
                ("reason", "reason"),
                ("value", "value"),
                ("request", "request_id"),
            ),
        )
        table(
            result["subscriptions"],
            OUTCOMES,
            empty=f"Nobody subscribes to {hook}. 'isp-plugins hooks show {hook}' shows its chain.",
        )

    session.show(answer, human)
    if answer["status"] != "completed":
        raise typer.Exit(Exit.FOUND)
