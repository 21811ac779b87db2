"""Reads a plugin's source without running it: does it compile, is the class there, is it a PluginInterface as far as that can be known.

1. The text is parsed and compiled, never imported or executed.
2. A class counts as defined where the module's own statements bind its name, inside `if` and `try` too.
3. A base that comes from `app.services.plugin_service` or `isp_plugin_sdk` makes a plugin; one from elsewhere cannot be known; a
   class without such a base is none.
"""

import ast
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

CONTRACT = "PluginInterface"
SOURCES = ("app.services.plugin_service", "isp_plugin_sdk")
MAX_SOURCE = 5_000_000
"""Longest text that is looked at, in bytes; longer ones are data, not code."""


class Kinship(StrEnum):
    """Whether a class is a plugin."""

    PLUGIN = "plugin"
    """It derives from PluginInterface."""
    STRANGER = "stranger"
    """It does not."""
    UNKNOWN = "unknown"
    """It, or one of its bases, comes from elsewhere: only importing it would tell."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a module's text says about its entry point."""

    mistake: str | None
    """Why it is no Python, with the line; None where it compiles."""
    defined: bool = False
    """Whether the text binds the entry point's name."""
    maybe_defined: bool = False
    """Whether a `from ... import *` or a module's `__getattr__` might bring it."""
    kinship: Kinship = Kinship.UNKNOWN
    bases: tuple[str, ...] = ()
    """The bases of the class as they are written."""
    plugins: tuple[str, ...] = ()
    """Every class of the module that is certainly a plugin."""


def read_source(data: bytes, file: str, entry_point: str) -> Source:
    """What the text of a module says; nothing of it is run."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in a plugin's text is not ours to report
            tree = ast.parse(data, file)
            compile(tree, file, "exec", dont_inherit=True)
    except SyntaxError as error:
        return Source(f"line {error.lineno or '?'}: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        return Source(str(error) or type(error).__name__)
    bound = dict(_bindings(tree))
    kinships = {name: _kinship(name, bound, set()) for name in bound}
    mine = bound.get(entry_point)
    return Source(
        None,
        defined=entry_point in bound,
        maybe_defined="*" in bound or "__getattr__" in bound,
        kinship=kinships.get(entry_point, Kinship.UNKNOWN),
        bases=tuple(ast.unparse(base) for base in mine.bases) if isinstance(mine, ast.ClassDef) else (),
        plugins=tuple(
            name
            for name, node in bound.items()
            if isinstance(node, ast.ClassDef) and kinships[name] is Kinship.PLUGIN
        ),
    )


def _bindings(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """The names that a module's statements bind, with what binds them; the last one counts."""
    todo: list[ast.AST] = list(reversed(tree.body))
    while todo:
        node = todo.pop()
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, node
            case ast.Import():
                yield from ((alias.asname or alias.name.partition(".")[0], node) for alias in node.names)
            case ast.ImportFrom():
                yield from ((alias.asname or alias.name, node) for alias in node.names)
            case ast.Assign():
                yield from ((name.id, node) for name in node.targets if isinstance(name, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                yield name, node
            case ast.If() | ast.Try() | ast.With():
                todo.extend(
                    reversed(
                        [
                            child
                            for child in ast.walk(node)
                            if isinstance(child, ast.stmt) and child is not node and _is_own(child, node)
                        ]
                    )
                )
            case _:
                continue


def _is_own(child: ast.stmt, parent: ast.AST) -> bool:
    """Whether a statement stands directly in one of a statement's blocks, handlers included."""
    blocks = [getattr(parent, name, []) for name in ("body", "orelse", "finalbody")]
    blocks += [handler.body for handler in getattr(parent, "handlers", [])]
    return any(child in block for block in blocks)


def _kinship(name: str, bound: Mapping[str, ast.AST], seen: set[str]) -> Kinship:
    node = bound.get(name)
    if name in seen or node is None:
        return Kinship.UNKNOWN
    if isinstance(node, ast.ImportFrom):
        original = next((alias.name for alias in node.names if (alias.asname or alias.name) == name), name)
        return Kinship.PLUGIN if original == CONTRACT and _is_source(node.module) else Kinship.UNKNOWN
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return Kinship.STRANGER
    if not isinstance(node, ast.ClassDef):
        return Kinship.UNKNOWN
    found = {_kinship_of_base(base, bound, {*seen, name}) for base in node.bases}
    return next((one for one in (Kinship.PLUGIN, Kinship.UNKNOWN) if one in found), Kinship.STRANGER)


def _kinship_of_base(base: ast.expr, bound: Mapping[str, ast.AST], seen: set[str]) -> Kinship:
    text = ast.unparse(base)
    if isinstance(base, ast.Name):
        return Kinship.STRANGER if base.id == "object" else _kinship(base.id, bound, seen)
    if text.endswith(f".{CONTRACT}") and isinstance(
        bound.get(text.partition(".")[0]), ast.Import | ast.ImportFrom
    ):
        return Kinship.PLUGIN
    return Kinship.UNKNOWN


def _is_source(module: str | None) -> bool:
    return module is not None and any(
        module == source or module.startswith(f"{source}.") for source in SOURCES
    )
