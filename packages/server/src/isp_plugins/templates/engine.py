"""The Jinja2 environment of templates: sandboxed, strict, without loaders and chance; renders all files of one template.

1. No attribute that leads into the interpreter, no changing of lists and dicts, no undefined name (`ImmutableSandboxedEnvironment`,
   `StrictUndefined`).
2. A file stands alone: nothing is included, imported or extended.
3. The output is counted while it grows. Time and memory are the child process's limits (`child`), not this module's: texts that an
   operator wrote must not come here in the server's own process.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2 import Template as Compiled
from jinja2.sandbox import ImmutableSandboxedEnvironment

from isp_plugins.templates import naming, paths
from isp_plugins.templates.definition import Template
from isp_plugins.templates.errors import RenderError, RenderLimitError, VariablesInvalidError
from isp_plugins.templates.limits import MAX_FILES, RenderLimits
from isp_plugins.templates.values import resolve

FILTERS: dict[str, Callable[..., Any]] = {
    "snake": naming.snake,
    "kebab": naming.kebab,
    "pascal": naming.pascal,
    "sentence": naming.sentence,
    "literal": naming.literal,
    "docstring": naming.docstring,
}
"""What templates have beyond Jinja2's own filters."""
_CHANCE = {"lipsum", "random"}
"""A template renders to the same files every time."""


def environment() -> ImmutableSandboxedEnvironment:
    """A new environment."""
    env = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,  # the output is source code, no page
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        loader=None,
    )
    env.filters = {name: each for name, each in env.filters.items() if name not in _CHANCE} | FILTERS
    env.globals = {name: each for name, each in env.globals.items() if name not in _CHANCE}
    return env


class TextError(ValueError):
    """One text of a template cannot be compiled or rendered."""

    def __init__(self, message: str, line: int | None = None) -> None:
        told = message.rstrip(".")
        super().__init__(f"line {line}: {told}" if line is not None else told)


class OutputTooLargeError(Exception):
    """A text renders to more than is allowed."""


def compiled(env: ImmutableSandboxedEnvironment, text: str, name: str) -> Compiled:
    """A text ready to be rendered; `TextError`."""
    try:
        code = env.compile(text, name=name, filename=name)
        return Compiled.from_code(env, code, dict(env.globals))
    except TemplateError as error:
        raise TextError(error.message or type(error).__name__, getattr(error, "lineno", None)) from None
    except (RecursionError, SyntaxError) as error:
        raise TextError(f"nests too deep ({type(error).__name__})") from None


def rendered(template: Compiled, values: Mapping[str, str], *, limit: int) -> str:
    """What a compiled text renders to; `TextError`, `OutputTooLargeError` beyond `limit` characters."""
    try:
        text = "".join(_within(limit, template.generate(**values)))
        text.encode()
    except (OutputTooLargeError, MemoryError):
        raise
    except Exception as error:
        raise TextError(_told(error), _line_of(error, template.name or "")) from None
    return text


def evaluate(text: str, values: Mapping[str, str]) -> str:
    """A short text, such as a default, over values; `TextError`."""
    return rendered(compiled(environment(), text, "default"), values, limit=RenderLimits().output_bytes)


def render(
    template: Template, given: Mapping[str, Any], limits: RenderLimits | None = None
) -> dict[str, str]:
    """Every file of a template by its path; `VariablesInvalidError`, `RenderError`, `RenderLimitError`."""
    limits = limits or RenderLimits()
    values, mistakes = resolve(template.variables, given, evaluate)
    if mistakes:
        raise VariablesInvalidError(name=template.name, summary=_summary(mistakes), mistakes=mistakes)
    files, mistakes = _files(template, values, limits.output_bytes)
    mistakes = mistakes or _misplaced(files)
    if mistakes:
        raise RenderError(name=template.name, summary=_summary(mistakes), mistakes=mistakes)
    return files


def _files(
    template: Template, values: Mapping[str, str], limit: int
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The files that could be rendered, and what is wrong with the others."""
    env = environment()
    files: dict[str, str] = {}
    mistakes: list[dict[str, Any]] = []
    left = limit
    for path, text in template.files.items():
        try:
            target = rendered(compiled(env, path, "path"), values, limit=left)
            if not target:
                continue
            content = rendered(compiled(env, text, path), values, limit=left)
        except TextError as error:
            mistakes.append({"path": f"files.{path}", "message": str(error)})
            continue
        except OutputTooLargeError:
            raise RenderLimitError(
                name=template.name, reason=f"its files grow beyond {limit} bytes"
            ) from None
        if target in files:
            mistakes.append({"path": f"files.{path}", "message": f"another file renders to {target} too"})
        files[target] = content
        left -= len(content.encode())
    if left < 0:
        raise RenderLimitError(name=template.name, reason=f"its files grow beyond {limit} bytes")
    return files, mistakes


def _misplaced(files: Mapping[str, str]) -> list[dict[str, Any]]:
    if not 1 <= len(files) <= MAX_FILES:
        return [{"path": "files", "message": f"expected 1 to {MAX_FILES} files, got {len(files)}"}]
    return paths.mistakes_in(files)


def _within(limit: int, parts: Iterator[str]) -> Iterator[str]:
    """The parts as long as they stay within a number of characters."""
    for part in parts:
        limit -= len(part)
        if limit < 0:
            raise OutputTooLargeError
        yield part


def _told(error: Exception) -> str:
    """What went wrong in a template, in words."""
    text = error.message if isinstance(error, TemplateError) else str(error)
    plain = isinstance(error, TemplateError) and text
    return str(text) if plain else f"{type(error).__name__}: {text}"


def _line_of(error: Exception, name: str) -> int | None:
    """The line of the template that an error came from: Jinja2 rewrites the traceback to it."""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename == name]
    return frames[-1].lineno if frames else None


def _summary(mistakes: list[dict[str, Any]]) -> str:
    return "; ".join(f"{each['path']}: {each['message']}" for each in mistakes)
