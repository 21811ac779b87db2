"""The worker's command line: `[--path FOLDER]... [--kept FOLDER] [--standard-json] module:Class`."""

from dataclasses import dataclass

USAGE = (
    "usage: python -m isp_plugin_sdk.serve [--path FOLDER]... [--kept FOLDER] [--standard-json] module:Class"
)


class UsageError(ValueError):
    """The command line cannot be understood; the text says why."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to serve."""

    module_path: str
    entry_point: str
    folders: tuple[str, ...] = ()
    """Where the plugin's modules are looked for before anywhere else."""
    standard_json: bool = False
    """Use the standard library's codec also where a faster one is there; for measurements."""
    kept: str = ""
    """A copy of the modules in these folders, which counts instead of them."""


def parse(arguments: list[str]) -> Options:
    """The options of a command line; `UsageError`."""
    folders: list[str] = []
    standard_json = False
    kept = ""
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "--standard-json":
            standard_json = True
        elif option == "--path" and rest:
            folders.append(rest.pop(0))
        elif option == "--kept" and rest:
            kept = rest.pop(0)
        else:
            raise UsageError(f"{option} is no option, or has no value\n{USAGE}")
    if len(rest) != 1 or not all(rest[0].partition(":")):
        raise UsageError(f"expected one module:Class, got {rest}\n{USAGE}")
    module_path, _, entry_point = rest[0].partition(":")
    return Options(module_path, entry_point, tuple(folders), standard_json, kept)
