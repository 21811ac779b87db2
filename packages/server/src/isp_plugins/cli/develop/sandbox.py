"""`sandbox learn`: the smallest grants that a plugin's own tests need."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import fail

if TYPE_CHECKING:
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
        Path | None, typer.Option(metavar="FILE", help="Write the grants there instead of printing them.")
    ] = None,
) -> None:
    """Run a plugin's tests and tell the smallest grants that they needed, as a table for its plugin.toml."""
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
        write.write_text(text, encoding="utf-8")
    if done.returncode:
        fail(
            f"{command[0]} ended with code {done.returncode}",
            detail="The grants may be incomplete: mend the tests and learn again.",
        )


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
