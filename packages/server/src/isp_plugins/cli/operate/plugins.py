"""`list`, `show`, `register`, `update`, `delete` and the lifecycle commands."""

from typing import Annotated, Any

import typer

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import Column, beyond_the_last, fail, record, say, table
from isp_plugins.cli.session import Session, command, read_json

PluginArgument = Annotated[str, typer.Argument(metavar="PLUGIN", help="Name or id of the plugin.")]
CascadeOption = Annotated[
    bool, typer.Option("--cascade", help="Also disable the plugins that need this one.")
]

COLUMNS: tuple[Column, ...] = (
    ("ID", "id"),
    ("NAME", "name"),
    ("VERSION", "version"),
    ("TYPE", "plugin_type"),
    ("STATE", "state"),
    ("DESIRED", "desired"),
    ("CAUSE", lambda plugin: (plugin.get("cause") or "").partition("\n")[0]),
)
FIELDS: tuple[Column, ...] = (
    ("id", "id"),
    ("name", "name"),
    ("display name", "display_name"),
    ("description", "description"),
    ("version", "version"),
    ("author", "author"),
    ("type", "plugin_type"),
    ("module", lambda plugin: f"{plugin['module_path']}:{plugin['entry_point']}"),
    ("runtime", "runtime"),
    ("placement", "placement"),
    ("installed from", lambda plugin: _source_of(plugin.get("release"))),
    ("digest", "release.digest"),
    ("environment", "release.environment"),
    ("grants", lambda plugin: _grants_of(plugin.get("release"))),
    ("state", "state"),
    ("desired", "desired"),
    ("since", "since"),
    ("cause", "cause"),
    ("next try", "retry_at"),
    ("log level", "log_level"),
    ("dependencies", lambda plugin: ", ".join(_dependency(need) for need in plugin.get("dependencies", []))),
)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the application."""
    command(app, "list")(list_plugins)
    command(app, "show")(show)
    command(app, "register")(register)
    command(app, "update")(update)
    command(app, "delete")(delete)
    command(app, "enable")(enable)
    command(app, "disable")(disable)
    command(app, "reload")(reload)
    command(app, "execute")(execute)
    command(app, "bulk")(bulk)


def list_plugins(
    session: Session,
    state: Annotated[str | None, typer.Option(help="Only plugins in this state.")] = None,
    plugin_type: Annotated[
        str | None, typer.Option("--type", help="Only plugins of this type, e.g. BILLING.")
    ] = None,
    q: Annotated[
        str | None, typer.Option("--search", help="Only plugins whose name or description contains this.")
    ] = None,
    sort: Annotated[str | None, typer.Option(help="Field to sort by, -field for descending.")] = None,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
    size: Annotated[int, typer.Option(min=1, max=200, help="How many on a page.")] = 50,
) -> None:
    """List plugins."""
    plugin_type = plugin_type.upper() if plugin_type else None
    answer = session.client.get(
        "/plugins/", state=state, plugin_type=plugin_type, q=q, sort=sort, page=page, size=size
    )

    def human(found: dict[str, Any]) -> None:
        filtered = any((state, plugin_type, q))
        empty = beyond_the_last(found) or (
            "No plugin matches; 'isp-plugins list' shows all."
            if filtered
            else "No plugin is registered yet. Register one: isp-plugins register @plugin.json"
        )
        table(found["items"], COLUMNS, empty=empty)
        if found["items"] and found["pages"] > 1:
            more = f" More: --page {found['page'] + 1}" if found["page"] < found["pages"] else ""
            say(f"Page {found['page']} of {found['pages']}, {found['total']} plugins.{more}")

    session.show(answer, human)


def show(session: Session, plugin: PluginArgument) -> None:
    """Show everything about one plugin."""
    session.show(session.client.plugin(plugin), lambda found: record(found, FIELDS))


def register(
    session: Session,
    description: Annotated[
        str,
        typer.Argument(
            metavar="JSON|@FILE|-", help="The plugin's registration, as the specification's plugin_data."
        ),
    ],
    enable_it: Annotated[bool, typer.Option("--enable", help="Enable it at once.")] = False,
) -> None:
    """Register a plugin from its description."""
    plugin = session.client.post("/plugins/", read_json(description, what="registration"))
    if enable_it:
        plugin = session.client.post(f"/plugins/{plugin['id']}/enable")
    nxt = "" if enable_it else f" Next: {_next_steps(plugin)}"
    session.show(
        plugin,
        lambda it: say(f"Registered {it['name']} {it['version']} as plugin {it['id']} ({it['state']}).{nxt}"),
    )


def _next_steps(plugin: dict[str, Any]) -> str:
    """What comes after registration: values, where the schema has keys for them, and the start."""
    schema = plugin.get("config_schema") or {}
    enable_it = f"isp-plugins enable {plugin['name']}"
    if not any(isinstance(part, dict) and part for part in schema.values()):
        return enable_it
    return f"isp-plugins config set {plugin['name']} KEY=VALUE, then {enable_it}"


def update(
    session: Session,
    plugin: PluginArgument,
    changes: Annotated[
        str, typer.Argument(metavar="JSON|@FILE|-", help='The fields to change, e.g. {"log_level": "DEBUG"}.')
    ],
) -> None:
    """Change a plugin's registration; an active one is reloaded where the change needs it."""
    answer = session.client.put(session.client.plugin_path(plugin), read_json(changes, what="change"))
    session.show(answer, lambda it: say(f"Updated {it['name']} ({it['state']})."))


def delete(
    session: Session,
    plugin: PluginArgument,
    cascade: CascadeOption = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Disable a plugin and drop everything of it except its logs and the audit trail."""
    found = session.client.plugin(plugin)
    if not yes:
        question = f"Delete {found['name']} with its configuration, hooks and stored values? Logs and audit trail stay"
        typer.confirm(question, abort=True, err=True)
    session.client.delete(f"/plugins/{found['id']}", cascade=cascade or None)
    session.show({"deleted": found["id"], "name": found["name"]}, lambda it: say(f"Deleted {it['name']}."))


def enable(session: Session, plugin: PluginArgument) -> None:
    """Load a plugin, initialise it and subscribe its hooks."""
    _lifecycle(session, plugin, "enable", "is {state}")


def disable(session: Session, plugin: PluginArgument, cascade: CascadeOption = False) -> None:
    """Unsubscribe a plugin, let its calls end and clean it up."""
    before = _running(session) if cascade else {}
    answer = _lifecycle(session, plugin, "disable", "is {state}", cascade=cascade or None)
    if cascade and not session.json:
        now = _running(session)
        others = [name for one, name in before.items() if one not in now and one != answer["id"]]
        say(f"Disabled with it: {', '.join(others)}." if others else "No running plugin needed it.")


def reload(session: Session, plugin: PluginArgument) -> None:
    """Replace a plugin's code and configuration without dropping a call; the old one stays if the new one fails."""
    _lifecycle(session, plugin, "reload", "was reloaded and is {state}")


def execute(
    session: Session,
    plugin: PluginArgument,
    method: Annotated[str, typer.Argument(help="A public method of the plugin's own class.")],
    parameters: Annotated[
        str | None,
        typer.Argument(metavar="JSON|@FILE|-", help="An object (by name) or a list (by position)."),
    ] = None,
) -> None:
    """Call one method of an active plugin and print what it returns."""
    body = {
        "method_name": method,
        "parameters": read_json(parameters, what="parameters") if parameters else {},
    }
    answer = session.client.post(session.client.plugin_path(plugin, "execute"), body)
    session.show(
        answer,
        lambda it: record(it, (("result", "result"), ("took", lambda done: f"{done['duration_ms']:.1f} ms"))),
    )


def bulk(
    session: Session,
    operation: Annotated[str, typer.Argument(help="enable, disable, reload, update or uninstall.")],
    plugins: Annotated[list[str], typer.Argument(metavar="PLUGIN...", help="Names or ids.")],
    parameters: Annotated[
        str | None, typer.Option(metavar="JSON", help="For update, the fields to change.")
    ] = None,
    cascade: CascadeOption = False,
) -> None:
    """Do one operation with many plugins, going on after failures; ends with code 4 if any failed."""
    found = {plugin["id"]: plugin["name"] for plugin in map(session.client.plugin, dict.fromkeys(plugins))}
    settings = read_json(parameters, what="parameters") if parameters else {}
    if cascade:
        settings = {**settings, "cascade": True}
    body = {"operation": operation, "plugin_ids": list(found), "parameters": settings}
    answer = session.client.post("/plugins/bulk", body)

    def human(result: dict[str, Any]) -> None:
        rows = [{"name": found[one], "result": "done"} for one in result["successful"]]
        rows += [
            {"name": found[one["plugin_id"]], "result": "failed", "why": one["error"]}
            for one in result["failed"]
        ]
        table(rows, (("PLUGIN", "name"), ("RESULT", "result"), ("WHY", "why")), empty="")
        say(f"{operation}: {result['summary']['successful']} done, {result['summary']['failed']} failed.")

    session.show(answer, human)
    if answer["failed"]:
        raise typer.Exit(Exit.FOUND)


def _lifecycle(
    session: Session, reference: str, operation: str, sentence: str, **params: Any
) -> dict[str, Any]:
    """One lifecycle operation, and a sentence on where the plugin stands after it; the server's answer."""
    answer = session.client.post(session.client.plugin_path(reference, operation), **params)
    if not isinstance(answer, dict):
        fail("The server answered something unexpected", detail=repr(answer))
    session.show(answer, lambda plugin: say(f"{plugin['name']} {sentence.format(state=plugin['state'])}."))
    return answer


def _running(session: Session) -> dict[int, str]:
    """The plugins that shall run, by id."""
    found: dict[int, str] = {}
    page = pages = 1
    while page <= pages:
        answer = session.client.get("/plugins/", page=page, size=200)
        found |= {one["id"]: one["name"] for one in answer["items"] if one["desired"] == "enabled"}
        page, pages = page + 1, answer["pages"]
    return found


def _dependency(need: dict[str, Any]) -> str:
    """One dependency in a few words."""
    found = f"found {need.get('found') or 'missing'}"
    lacking = "optional, and not satisfied" if need.get("optional") else "NOT satisfied"
    verdict = found if need.get("is_satisfied") else f"{lacking}, {found}"
    return f"{need['name']}{need.get('specifier', '')} ({verdict})"


def _grants_of(release: dict[str, Any] | None) -> str:
    """What an installed plugin may do; nothing of one that is trusted as a whole, or where an older server does not tell."""
    if release is None or "grants" not in release:
        return ""
    return "; ".join(f"{one['grant']}: {one['what']}" for one in release["grants"]) or "none: all is denied"


def _source_of(release: dict[str, Any] | None) -> str:
    """Where an installed plugin came from, in a few words."""
    if release is None:
        return ""
    source = release["source"]
    parts = (source.get("location") or source.get("name"), source.get("commit"))
    return " ".join(str(part) for part in parts if part)
