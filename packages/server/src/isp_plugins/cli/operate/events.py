"""`events`: what waits and what failed, how far every subscription has come, and what to do about it."""

from datetime import datetime
from typing import Annotated, Any

import typer

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import Column, fail, record, say, table
from isp_plugins.cli.session import Session, command

app = typer.Typer(
    no_args_is_help=True, help="Look at events that are owed to plugins, and retry, replay or skip them."
)
EventArgument = Annotated[int, typer.Argument(metavar="EVENT_ID", help="Id of the event.")]
SubscriptionArgument = Annotated[
    int, typer.Argument(metavar="HOOK_ID", help="Id of the subscription, as 'events lag' shows it.")
]
HookOption = Annotated[str | None, typer.Option("--hook", help="Only of this hook.")]
PluginOption = Annotated[str | None, typer.Option("--plugin", help="Only of this plugin, by id or name.")]
SubscriptionOption = Annotated[int | None, typer.Option("--subscription", help="Only of this subscription.")]
KeyOption = Annotated[str | None, typer.Option("--key", help="Only of this key, like a customer's id.")]
SinceOption = Annotated[str | None, typer.Option("--since", help="From this moment on, RFC 3339.")]
UntilOption = Annotated[str | None, typer.Option("--until", help="Up to this moment, RFC 3339.")]
FromOption = Annotated[int | None, typer.Option("--from", help="From this event id on.")]
ToOption = Annotated[int | None, typer.Option("--to", help="Up to this event id.")]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Only tell how many there are.")]

LAG: tuple[Column, ...] = (
    ("ID", "subscription_id"),
    ("PLUGIN", "plugin"),
    ("HOOK", "hook"),
    ("METHOD", "method"),
    ("WAITING", lambda lag: f"{lag['waiting']}{'+' if lag['more'] else ''}"),
    ("OLDEST S", lambda lag: f"{lag['lag_s']:.0f}" if lag["waiting"] else ""),
    ("RETRYING", "retrying"),
    ("HELD BACK", "held_back"),
    ("DEAD", "dead"),
    ("DELIVERED", "delivered_total"),
    ("NODE", lambda lag: "paused" if lag["paused_at"] else lag["owner"] or "none"),
)


@command(app, "lag")
def lag(session: Session, plugin: PluginOption = None) -> None:
    """Show how far every event subscription has come."""
    answer = session.client.get("/events/lag", plugin_id=_plugin_id(session, plugin))
    session.show(answer, lambda it: table(it["items"], LAG, empty="There is no event subscription."))


@command(app, "list")
def list_events(
    session: Session,
    hook: HookOption = None,
    key: KeyOption = None,
    subscription: SubscriptionOption = None,
    request: Annotated[str | None, typer.Option("--request", help="Only of this request id.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    from_id: FromOption = None,
    to_id: ToOption = None,
    page: Annotated[int, typer.Option(help="Which page, from 1.")] = 1,
    size: Annotated[int, typer.Option(help="How many on a page.")] = 50,
) -> None:
    """List events that are kept, newest first."""
    answer = session.client.get(
        "/events", hook=hook, key=key, subscription_id=subscription, request_id=request, since=since, until=until,
        from_id=from_id, to_id=to_id, page=page, size=size,
    )  # fmt: skip
    columns: tuple[Column, ...] = (
        ("ID", "id"),
        ("WRITTEN", "written_at"),
        ("HOOK", "hook"),
        ("KEY", "key"),
        ("OWED TO", lambda it: ",".join(map(str, it["owed"]))),
        ("BYTES", "size"),
        ("REQUEST", "request_id"),
    )
    session.show(answer, lambda it: table(it["items"], columns, empty="No event matches."))


@command(app, "deliveries")
def deliveries(
    session: Session,
    status: Annotated[
        str | None, typer.Option("--status", help="retrying, held_back, dead or discarded.")
    ] = None,
    plugin: PluginOption = None,
    subscription: SubscriptionOption = None,
    hook: HookOption = None,
    key: KeyOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    page: Annotated[int, typer.Option(help="Which page, from 1.")] = 1,
    size: Annotated[int, typer.Option(help="How many on a page.")] = 50,
) -> None:
    """List what did not simply succeed, newest first."""
    answer = session.client.get(
        "/events/deliveries", status=status, plugin_id=_plugin_id(session, plugin), subscription_id=subscription,
        hook=hook, key=key, since=since, until=until, page=page, size=size,
    )  # fmt: skip
    columns: tuple[Column, ...] = (
        ("EVENT", "event_id"),
        ("SUBSCRIPTION", "subscription_id"),
        ("PLUGIN", "plugin"),
        ("HOOK", "hook"),
        ("KEY", "key"),
        ("STATUS", "status"),
        ("ATTEMPTS", "attempts"),
        ("NEXT", "next_at"),
        ("ERROR", "error"),
    )
    session.show(answer, lambda it: table(it["items"], columns, empty="Nothing failed."))


@command(app, "show")
def show(session: Session, event: EventArgument) -> None:
    """Show one event with its payload, and where it stands with every subscription."""
    answer = session.client.get(f"/events/{event}")

    def human(found: dict[str, Any]) -> None:
        names = ("id", "hook", "key", "request_id", "node", "written_at", "payload", "context")
        record(found, tuple((name.replace("_", " "), name) for name in names))
        say("")
        columns: tuple[Column, ...] = (
            ("SUBSCRIPTION", "subscription_id"),
            ("PLUGIN", "plugin"),
            ("METHOD", "method"),
            ("STATUS", "status"),
            ("ATTEMPTS", "attempts"),
            ("NEXT", "next_at"),
            ("ERROR", "error"),
        )
        table(found["deliveries"], columns, empty="Its subscriptions are gone.")

    session.show(answer, human)


@command(app, "retry")
def retry(session: Session, event: EventArgument, subscription: SubscriptionArgument) -> None:
    """Try a dead letter, or one that waits for its next attempt, now."""
    _act_on_one(session, event, subscription, "retry", "is tried again by")


@command(app, "discard")
def discard(session: Session, event: EventArgument, subscription: SubscriptionArgument) -> None:
    """Give an event up that failed."""
    _act_on_one(session, event, subscription, "discard", "was given up for")


@command(app, "retry-dead")
def retry_dead(
    session: Session,
    plugin: PluginOption = None,
    subscription: SubscriptionOption = None,
    hook: HookOption = None,
    key: KeyOption = None,
    dry_run: DryOption = False,
) -> None:
    """Try all dead letters that match, with all their attempts."""
    body = _body(session, plugin, subscription, hook, key, dry_run=dry_run)
    _act_on_many(session, "dead/retry", body, "dead letters are tried again")


@command(app, "discard-dead")
def discard_dead(
    session: Session,
    plugin: PluginOption = None,
    subscription: SubscriptionOption = None,
    hook: HookOption = None,
    key: KeyOption = None,
    dry_run: DryOption = False,
) -> None:
    """Give all dead letters up that match."""
    body = _body(session, plugin, subscription, hook, key, dry_run=dry_run)
    _act_on_many(session, "dead/discard", body, "dead letters were given up")


@command(app, "replay")
def replay(
    session: Session,
    events: Annotated[
        list[int] | None, typer.Argument(metavar="[EVENT_ID]...", help="Single events.")
    ] = None,
    plugin: PluginOption = None,
    subscription: SubscriptionOption = None,
    hook: HookOption = None,
    key: KeyOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    from_id: FromOption = None,
    to_id: ToOption = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Under a new idempotency key: what was done once is done again."),
    ] = False,
    dry_run: DryOption = False,
) -> None:
    """Deliver events again, single ones or a range, to all that they are owed to or to one plugin."""
    body = _body(session, plugin, subscription, hook, key, dry_run=dry_run) | {"fresh": fresh}
    ranged = {"since": since, "until": until, "from_id": from_id, "to_id": to_id, "event_ids": events or None}
    body |= {name: value for name, value in ranged.items() if value is not None}
    _act_on_many(session, "replay", body, "deliveries are made again")


@command(app, "pause")
def pause(session: Session, subscription: SubscriptionArgument) -> None:
    """Deliver nothing to a subscription until it is resumed; its events are kept."""
    _act_on_subscription(session, subscription, "pause", "is paused")


@command(app, "resume")
def resume(session: Session, subscription: SubscriptionArgument) -> None:
    """Deliver to a paused subscription again, from where it stood."""
    _act_on_subscription(session, subscription, "resume", "goes on")


@command(app, "seek")
def seek(
    session: Session,
    subscription: SubscriptionArgument,
    to: Annotated[
        str,
        typer.Argument(
            help="now (skips what waits), beginning (of what is kept), an event's id, or a moment in RFC 3339."
        ),
    ],
) -> None:
    """Let a subscription go on from somewhere else: skip what waits, or go back."""
    body = {"to": to} if to in {"now", "beginning"} else {"event_id": int(to)} if to.isdecimal() else None
    if body is None:
        try:
            datetime.fromisoformat(to)
        except ValueError:
            fail(
                "There is no such place",
                detail=f"Expected now, beginning, an event's id, or a moment like 2030-01-31T12:00:00Z; got {to!r}.",
                code=Exit.USAGE,
            )
        body = {"since": to}
    answer = session.client.post(_path(session, subscription, "seek"), body)
    session.show(answer, lambda it: say(f"Subscription {subscription} goes on after event {it['position']}."))


def _act_on_one(session: Session, event: int, subscription: int, act: str, became: str) -> None:
    """Do something with one event at one subscription, and say what became of it."""
    answer = session.client.post(f"/events/{event}/{act}", {"subscription_id": subscription})
    session.show(answer, lambda _: say(f"Event {event} {became} subscription {subscription}."))


def _act_on_subscription(session: Session, subscription: int, act: str, became: str) -> None:
    """Pause or resume a subscription, and say how much waits."""
    answer = session.client.post(_path(session, subscription, act), None)
    session.show(
        answer, lambda it: say(f"Subscription {subscription} {became}; {it['waiting']} events wait.")
    )


def _act_on_many(session: Session, path: str, body: dict[str, Any], what: str) -> None:
    """Do something with all that match, or only count them, and say so."""

    def human(it: dict[str, Any]) -> None:
        count = it["deliveries"]
        say(f"{count} match; nothing was done." if it["dry_run"] else f"{count} {what}.")

    session.show(session.client.post(f"/events/{path}", body), human)


def _body(
    session: Session,
    plugin: str | None,
    subscription: int | None,
    hook: str | None,
    key: str | None,
    *,
    dry_run: bool,
) -> dict[str, Any]:
    """What matches, and whether anything is done."""
    fields = {
        "plugin_id": _plugin_id(session, plugin),
        "subscription_id": subscription,
        "hook": hook,
        "key": key,
        "dry_run": dry_run,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _plugin_id(session: Session, plugin: str | None) -> int | None:
    """The id of a plugin that is named by id or name."""
    if plugin is None:
        return None
    return int(session.client.plugin_path(plugin).rpartition("/")[2])


def _path(session: Session, subscription: int, act: str) -> str:
    """The path of an act on a subscription; its plugin is looked up."""
    for one in session.client.get("/events/lag")["items"]:
        if one["subscription_id"] == subscription:
            return f"/plugins/{one['plugin_id']}/hooks/{subscription}/{act}"
    return fail(
        f"There is no event subscription {subscription}",
        detail="'isp-plugins events lag' lists them with their ids.",
        code=Exit.REFUSED,
    )
