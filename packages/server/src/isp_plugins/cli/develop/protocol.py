"""`protocol test`: whether a command speaks the worker protocol, check by check."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import fail, say, show_json, table
from isp_plugins.cli.session import read_json
from isp_plugins.conformance.vocabulary import HANDSHAKE_S, Transport, Verdict
from isp_plugins.errors import InvalidInputError

if TYPE_CHECKING:
    from isp_plugins.conformance.session import Options

app = typer.Typer(help="The protocol between the host and its workers.", no_args_is_help=True)

CommandArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="COMMAND", help="The worker's command line, behind --.", show_default=False),
]
SocketOption = Annotated[
    bool,
    typer.Option("--socket", help="Speak over an inherited socket instead of standard input and output."),
]
CheckOption = Annotated[
    list[str] | None,
    typer.Option("--check", metavar="NAME", help="Run only this check; may be given several times."),
]
ListOption = Annotated[bool, typer.Option("--list", help="List the checks instead of running them.")]
AnyPluginOption = Annotated[
    bool,
    typer.Option(
        "--any-plugin",
        help="COMMAND runs a plugin of your own: skip what needs the conformance plugin's methods.",
    ),
]
ConfigOption = Annotated[
    str, typer.Option("--config", metavar="JSON", help="The plugin's configuration: JSON, @file or -.")
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0.1, help="How long each answer may take, in seconds.")
]
HandshakeOption = Annotated[
    float,
    typer.Option(
        "--handshake-timeout", min=0.1, help="How long the worker may take to start and greet, in seconds."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]

COLUMNS = (("CHECK", "name"), ("RESULT", "verdict"), ("RULE", "rule"))


class CommandMissingError(InvalidInputError):
    """No command: expected one behind --, as in `isp-plugins protocol test -- node main.js`."""


@app.callback()
def _group() -> None:
    """The protocol between the host and its workers (docs/protocol.md)."""


@app.command("test")
def run_checks(
    command: CommandArgument = None,
    socket: SocketOption = False,
    check: CheckOption = None,
    listed: ListOption = False,
    any_plugin: AnyPluginOption = False,
    config: ConfigOption = "{}",
    timeout: TimeoutOption = 10.0,
    handshake_timeout: HandshakeOption = HANDSHAKE_S,
    as_json: JsonOption = False,
) -> None:
    """Start COMMAND once for each rule of the worker protocol and check that it keeps it; ends with code 4 if it does not."""
    from isp_plugins.conformance.session import Options  # here: only this command pays for the suite

    options = Options(
        command=command or [],
        transport=Transport.SOCKET if socket else Transport.STDIO,
        config=_config(config),
        answer_s=timeout,
        handshake_s=handshake_timeout,
        any_plugin=any_plugin,
    )
    try:
        if listed:
            _list(check or [], as_json=as_json)
            return
        report = _run(options, check or [])
    except InvalidInputError as error:
        fail("Wrong command line", detail=str(error), code=Exit.USAGE)
    show_json(report) if as_json else _show(report)
    if not report["conforms"]:
        raise typer.Exit(Exit.FOUND)


def _list(names: Sequence[str], *, as_json: bool) -> None:
    from isp_plugins.conformance.suite import chosen

    rows = [{"name": check.name, "rule": check.rule} for check in chosen(names)]
    show_json(rows) if as_json else table(rows, (COLUMNS[0], COLUMNS[2]), empty="There are no checks.")


def _run(options: "Options", names: Sequence[str]) -> Mapping[str, Any]:
    from isp_plugins.conformance.suite import chosen, run

    if not options.command:
        raise CommandMissingError
    import asyncio  # no other command of the client needs it so early

    return asyncio.run(run(options, chosen(names))).to_dict()


def _config(text: str) -> dict[str, Any]:
    value = read_json(text, what="configuration")
    if not isinstance(value, dict):
        fail(
            "The configuration is not an object",
            detail=f'expected an object such as {{"key": 1}}, got {text}.',
            code=Exit.USAGE,
        )
    return value


def _show(report: Mapping[str, Any]) -> None:
    """The table, then each check that did not pass, then the sum."""
    table(report["checks"], COLUMNS, empty="No check ran.")
    for result in report["checks"]:
        if result["verdict"] in {Verdict.FAILED, Verdict.BLOCKED}:
            _show_trouble(result)
    say(f"\n{_sum(report)}")


def _sum(report: Mapping[str, Any]) -> str:
    """One sentence on the whole; where something was not tried it promises less."""
    from isp_plugins.conformance.suite import CHECKS

    summary = report["summary"]
    counted = ", ".join(f"{number} {verdict}" for verdict, number in summary.items() if number)
    name = report["implementation"].get("name", "The command")
    verb = "speaks" if report["conforms"] else "does not speak"
    if report["conforms"] and summary[Verdict.PASSED] < len(CHECKS):
        verb = f"keeps the rules that were tried, of {len(CHECKS)}, in"
    return (
        f"{name} {verb} version {report['protocol']} of the protocol over {report['transport']}: {counted}."
    )


def _show_trouble(result: Mapping[str, Any]) -> None:
    say(f"\n{result['name']}: {result['verdict']}")
    for heading in ("expected", "got"):
        if result[heading]:
            say(f"  {heading}: {result[heading]}")
    for line in result["log"]:
        say(f"  log: {line}")
