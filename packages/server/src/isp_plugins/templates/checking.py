"""Whether a template can be kept: everything that is wrong with it, found before any value is known.

1. Sizes come first: what is too large is not looked at any closer (`TemplateTooLargeError`).
2. Then names, variables, paths and the syntax of every text, all mistakes together (`TemplateInvalidError`).
3. A text may use the template's variables and Jinja2's own names, nothing else; a default only the variables before it.

It compiles what it checks, so for an operator's template it runs in the child process, like the rendering.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from jinja2 import meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from isp_plugins.contracts.vocabulary import PluginType
from isp_plugins.templates import paths
from isp_plugins.templates.definition import Template, Variable
from isp_plugins.templates.engine import TextError, compiled, environment
from isp_plugins.templates.errors import TemplateInvalidError, TemplateTooLargeError
from isp_plugins.templates.limits import (
    MAX_DESCRIPTION_CHARACTERS,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_PATTERN_CHARACTERS,
    MAX_TEMPLATE_BYTES,
    MAX_VALUE_CHARACTERS,
    MAX_VARIABLES,
)

TEMPLATE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
VARIABLE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_RESERVED = frozenset(
    {"and", "caller", "elif", "else", "false", "for", "if", "in", "is", "kwargs", "loop", "none", "not", "or", "self", "super"}
    | {"true", "varargs"}
)  # fmt: skip
"""Words of Jinja2."""
_ALONE = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)

Mistake = dict[str, Any]


def check(template: Template) -> None:
    """Return where the template can be kept; `TemplateTooLargeError`, `TemplateInvalidError`."""
    if excess := list(_excess(template)):
        raise TemplateTooLargeError(summary="; ".join(excess))
    mistakes = [*_mistakes(template)]
    if mistakes:
        summary = "; ".join(f"{each['path']}: {each['message']}" for each in mistakes)
        raise TemplateInvalidError(summary=summary, mistakes=mistakes)


def _excess(template: Template) -> Iterator[str]:
    """What of a template is too large."""
    sizes = {path: len(text.encode(errors="surrogatepass")) for path, text in template.files.items()}
    if len(sizes) > MAX_FILES:
        yield f"{len(sizes)} files, at most {MAX_FILES} are kept"
    if sum(sizes.values()) > MAX_TEMPLATE_BYTES:
        yield f"its files have {sum(sizes.values())} bytes together, at most {MAX_TEMPLATE_BYTES} are kept"
    for path, size in sizes.items():
        if size > MAX_FILE_BYTES:
            yield f"{path[:100]} has {size} bytes, at most {MAX_FILE_BYTES} are kept"


def _mistakes(template: Template) -> Iterator[Mistake]:
    if not TEMPLATE_NAME.fullmatch(template.name):
        yield {"path": "name", "message": f"expected {TEMPLATE_NAME.pattern}", "got": template.name}
    if template.plugin_type not in list(PluginType):
        yield {
            "path": "plugin_type",
            "message": f"expected one of {', '.join(PluginType)}",
            "got": template.plugin_type,
        }
    if len(template.description) > MAX_DESCRIPTION_CHARACTERS:
        yield {"path": "description", "message": f"expected at most {MAX_DESCRIPTION_CHARACTERS} characters"}
    if not template.files:
        yield {"path": "files", "message": "expected at least one file"}
    env = environment()
    yield from _variables(env, template.variables)
    names = {variable.name for variable in template.variables}
    for path, text in template.files.items():
        yield from _path(env, path, names)
        yield from _text(env, text, names, where=f"files.{path}")


def _variables(env: ImmutableSandboxedEnvironment, variables: Iterable[Variable]) -> Iterator[Mistake]:
    """What is wrong with the variables, each by itself and among the others."""
    variables = list(variables)
    if len(variables) > MAX_VARIABLES:
        yield {"path": "variables", "message": f"expected at most {MAX_VARIABLES}, got {len(variables)}"}
        return
    before: set[str] = set()
    for index, variable in enumerate(variables):
        where = f"variables.{index}"
        if variable.name in before:
            yield {"path": f"{where}.name", "message": f"{variable.name} is there already"}
        yield from _variable(env, variable, before, where)
        before.add(variable.name)


def _variable(
    env: ImmutableSandboxedEnvironment, variable: Variable, before: set[str], where: str
) -> Iterator[Mistake]:
    name = variable.name
    if not VARIABLE_NAME.fullmatch(name) or name in _RESERVED or name in env.globals:
        message = f"expected a name ({VARIABLE_NAME.pattern}) that Jinja2 does not use itself"
        yield {"path": f"{where}.name", "message": message, "got": name}
    if len(variable.description) > MAX_DESCRIPTION_CHARACTERS:
        message = f"expected at most {MAX_DESCRIPTION_CHARACTERS} characters"
        yield {"path": f"{where}.description", "message": message}
    if variable.pattern is not None and (problem := _pattern_problem(variable.pattern)):
        yield {"path": f"{where}.pattern", "message": problem, "got": variable.pattern}
    if variable.default is None:
        return
    if len(variable.default) > MAX_VALUE_CHARACTERS:
        yield {"path": f"{where}.default", "message": f"expected at most {MAX_VALUE_CHARACTERS} characters"}
        return
    yield from _text(env, variable.default, before, where=f"{where}.default")


def _pattern_problem(pattern: str) -> str | None:
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        return f"expected at most {MAX_PATTERN_CHARACTERS} characters"
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"expected a Python regular expression: {error}"
    return None


def _path(env: ImmutableSandboxedEnvironment, path: str, names: set[str]) -> Iterator[Mistake]:
    """What is wrong with a path; one that uses variables is looked at again when it is rendered."""
    if "{" not in path and (problem := paths.problem_of(path)):
        shown = path.encode(errors="backslashreplace").decode()
        yield {"path": f"files.{shown}", "message": problem, "got": shown}
        return
    if len(path) > MAX_VALUE_CHARACTERS:
        yield {"path": f"files.{path[:50]}", "message": f"expected at most {MAX_VALUE_CHARACTERS} characters"}
        return
    yield from _text(env, path, names, where=f"files.{path}")


def _text(env: ImmutableSandboxedEnvironment, text: str, names: set[str], *, where: str) -> Iterator[Mistake]:
    """What is wrong with one text: characters that cannot be kept, syntax, and names that nobody gives it."""
    if "\0" in text or not paths.is_encodable(text):
        yield {"path": where, "message": "expected text without NUL characters and lone surrogates"}
        return
    try:
        compiled(env, text, where)
        tree = env.parse(text)
    except TextError as error:
        yield {"path": where, "message": str(error)}
        return
    for node in tree.find_all(_ALONE):
        yield {
            "path": where,
            "message": f"line {node.lineno}: a file stands alone, nothing can be included or imported",
        }
    unknown = sorted(meta.find_undeclared_variables(tree) - names - set(env.globals))
    if unknown:
        yield {"path": where, "message": f"uses {', '.join(unknown)}, which is no variable before it"}
