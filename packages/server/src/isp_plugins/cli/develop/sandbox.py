"""`sandbox learn`: the smallest grants that a plugin's own tests need."""

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import fail, say

if TYPE_CHECKING:
    from isp_plugin_sdk.sandbox.grants import Grants
    from isp_plugin_sdk.sandbox.learning import Observed

app = typer.Typer(help="What a plugin may do.", no_args_is_help=True)


@app.command("learn", context_settings={"allow_interspersed_args": False})
def learn(
    command: Annotated[
        list[str],
        typer.Argument(
            metavar="-- PROGRAM [ARGUMENT]...",
            help="A Python module (`pytest`) or script with its arguments.",
        ),
    ],
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the table to a file of its own instead of printing it; an older one there is replaced.",
        ),
    ] = None,
) -> None:
    """Run a plugin's tests and tell the smallest grants that they needed, as a table for its plugin.toml."""
    if write is not None:
        _check_is_ours(write)
    with tempfile.TemporaryDirectory(prefix="isp-plugins-") as folder:
        file = Path(folder) / "observed.json"
        done = subprocess.run(  # noqa: S603  the author's own command
            [sys.executable, "-m", "isp_plugin_sdk.sandbox.learn", str(file), *command], check=False
        )
        if not file.exists():
            fail(
                "Nothing was observed",
                detail=f"{command[0]} could not be run; name a Python module or script.",
                code=Exit.USAGE,
            )
        observed = json.loads(file.read_text(encoding="utf-8"))
    from isp_plugin_sdk.sandbox.learning import (  # no other command needs it
        smallest_grants,
        to_toml,
    )

    grants, left_out = smallest_grants(_observed(observed), observed["given"])
    text = to_toml(grants, left_out)
    if write is None:
        typer.echo(text, nl=False)
    else:
        _write(write, text)
        say(told_of(write, grants, left_out))
    if done.returncode:
        fail(
            f"{command[0]} ended with code {done.returncode}",
            detail="The grants may be incomplete: mend the tests and learn again.",
        )


def told_of(file: Path, grants: "Grants", left_out: Sequence[str]) -> str:
    """What was written, and what comes next."""
    from isp_plugins.contracts.grants import grant_lines  # as above

    lines = [f"  {line}" for line in grant_lines(grants)]
    if lines:
        told = [f"Wrote {file}: the tests needed", *lines]
    else:
        told = [f"Wrote {file}: the tests needed no grant."]
    told += [f"Left out: {each}" for each in left_out]
    told.append(
        "Next: look it over, put it in the place of [grants] in plugin.toml, and install; whoever installs is shown these lines."
    )
    return "\n".join(told)


def _check_is_ours(file: Path) -> None:
    """End the command, before the tests take their time, where the file holds more than grants: a whole manifest, say."""
    try:
        held = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        held = {"": ""}
    if held.keys() - {"grants"}:
        fail(
            "That file holds more than grants",
            detail=f"{file} would be overwritten. Nothing was run; name a new file, and put its table into the manifest yourself.",
            code=Exit.USAGE,
        )


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        typer.echo(text, nl=False)
        fail("The grants cannot be written", detail=f"{file}: {error.strerror}. They are printed instead.")


def _observed(told: dict[str, Any]) -> "Observed":
    """What the child wrote down."""
    from isp_plugin_sdk.sandbox.learning import Observed  # as above

    return Observed(
        read=set(told["read"]),
        written=set(told["written"]),
        resolved={(name, port) for name, port in told["resolved"]},
        connected={(address, port) for address, port in told["connected"]},
        sent={(protocol, host, port) for protocol, host, port in told["sent"]},
        bound={(protocol, host, port) for protocol, host, port in told["bound"]},
        host_calls=set(told["host_calls"]),
        secrets=set(told["secrets"]),
        processes=told["processes"],
    )
