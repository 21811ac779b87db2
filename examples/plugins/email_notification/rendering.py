"""Mail texts from Jinja2 templates: the plugin's own, or the operator's from the configuration.

1. Templates run in Jinja2's sandbox: they see the payload's values and nothing of Python.
2. A template that does not compile, or names what is not there, is refused when the configuration is set, not when a mail is due.
3. A payload's values are data: they are never read as templates, and are escaped in HTML.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .errors import TemplateError

VARIABLES = {
    "welcome_subject": frozenset({"customer", "company", "portal_url"}),
    "welcome_text": frozenset({"customer", "company", "portal_url"}),
    "welcome_html": frozenset({"customer", "company", "portal_url"}),
    "alert_subject": frozenset({"hook", "alert", "company"}),
    "alert_text": frozenset({"hook", "alert", "company"}),
}
"""Every template, and what it can use."""
_FOLDER = Path(__file__).with_name("templates")


class Texts:
    """Compiled templates; raises `TemplateError` where one of them cannot be used."""

    def __init__(self, overrides: Mapping[str, str]) -> None:
        sources = {name: overrides.get(name, _own(name)) for name in VARIABLES}
        self._environment = ImmutableSandboxedEnvironment(
            loader=jinja2.DictLoader(sources),
            autoescape=lambda name: name == "welcome_html",
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates = {name: self._compile(name, source) for name, source in sources.items()}

    def render(self, name: str, **values: Any) -> str:
        """One template's text; `TemplateError` where it cannot be rendered with these values."""
        try:
            return self._templates[name].render(values)
        except Exception as error:  # a template is the operator's code, and may fail in any way
            raise TemplateError(template=name, problem=f"{type(error).__name__}: {error}") from error

    def _compile(self, name: str, source: str) -> jinja2.Template:
        """One template, its variables checked."""
        try:
            used = jinja2.meta.find_undeclared_variables(self._environment.parse(source, name))
            template = self._environment.get_template(name)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(template=name, problem=f"line {error.lineno}: {error.message}") from error
        if unknown := sorted(used - VARIABLES[name] - set(self._environment.globals)):
            known = ", ".join(sorted(VARIABLES[name]))
            raise TemplateError(template=name, problem=f"it uses {', '.join(unknown)}; there are {known}")
        return template


def _own(name: str) -> str:
    """A template as it comes with the plugin."""
    return (_FOLDER / f"{name}.j2").read_text("utf-8")
