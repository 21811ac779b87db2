"""Where `new` takes a template from: what ships with this very program, or a server that also has the operators' own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from isp_plugins.cli.client import Client
from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import fail
from isp_plugins.templates import engine
from isp_plugins.templates.definition import Template, Variable
from isp_plugins.templates.shipped import shipped
from isp_plugins.templates.values import problem_of


class Source(Protocol):
    """Templates that can be rendered."""

    def names(self) -> Mapping[str, str]:
        """What there is: names with descriptions."""
        ...

    def variables(self, template: str) -> Sequence[Variable]:
        """What a template asks for; ends the command where there is no such template."""
        ...

    def suggestion(self, variable: Variable, values: Mapping[str, str]) -> str | None:
        """The value that a variable has unless another is given; None where that is not known here."""
        ...

    def problem(self, variable: Variable, value: str) -> str | None:
        """What is wrong with a value, as far as that is known here."""
        ...

    def render(self, template: str, values: Mapping[str, str]) -> dict[str, str]:
        """The files; ends the command where a value does not do."""
        ...


class Shipped:
    """What ships: needs no server."""

    def names(self) -> Mapping[str, str]:
        """What there is."""
        return {name: template.description for name, template in shipped().items()}

    def variables(self, template: str) -> Sequence[Variable]:
        """What a template asks for."""
        return self._template(template).variables

    def suggestion(self, variable: Variable, values: Mapping[str, str]) -> str | None:
        """The default, computed from the values so far."""
        return None if variable.default is None else engine.evaluate(variable.default, values)

    def problem(self, variable: Variable, value: str) -> str | None:
        """What is wrong with a value."""
        return problem_of(variable, value)

    def render(self, template: str, values: Mapping[str, str]) -> dict[str, str]:
        """The files."""
        return engine.render(self._template(template), values)

    def _template(self, name: str) -> Template:
        found = shipped().get(name)
        if found is None:
            known = ", ".join(shipped())
            fail(
                "No such template",
                detail=f"{name!r} does not ship; what does: {known}. Templates of your own are on a server: add --from-server.",
                code=Exit.USAGE,
            )
        return found


@dataclass(frozen=True)
class Server:
    """What a server has; its texts and patterns are run there, never here."""

    client: Client

    def names(self) -> Mapping[str, str]:
        """What there is."""
        items = self.client.get("/plugins/templates", size=200)["items"]
        return {item["name"]: item["description"] for item in items}

    def variables(self, template: str) -> Sequence[Variable]:
        """What a template asks for."""
        found = self.client.get(f"/plugins/templates/{template_path(template)}")
        return [Variable.of(each) for each in found["variables"]]

    def suggestion(self, variable: Variable, values: Mapping[str, str]) -> str | None:
        """The default where it is plain text."""
        default = variable.default
        return None if default is None or "{" in default else default

    def problem(self, variable: Variable, value: str) -> str | None:
        """Nothing is known here: the server checks."""
        return None

    def render(self, template: str, values: Mapping[str, str]) -> dict[str, str]:
        """The files."""
        answer = self.client.post(
            f"/plugins/templates/{template_path(template)}/render", {"variables": dict(values)}
        )
        return {str(path): str(text) for path, text in answer["files"].items()}


def template_path(name: str) -> str:
    """A template's name as it stands in a path."""
    from urllib.parse import quote

    return quote(name, safe="")
