"""What can go wrong with a template, in the words of whoever starts a plugin or keeps a template."""

from isp_plugins.errors import ConflictError, InvalidInputError, NotFoundError, TooLargeError


class TemplateNotFoundError(NotFoundError):
    """There is no template {name!r}{hint}. GET /api/v1/plugins/templates (isp-plugins templates list) shows what there is."""


class TemplateNameTakenError(ConflictError):
    """There is a template {name!r} already. Change that one, or choose another name."""


class TemplateShippedError(ConflictError):
    """The template {name!r} ships with the product and stays as it is. To have it your way, create one of your own under another name."""


class TemplateLimitError(ConflictError):
    """There are {limit} templates already, which is the most that one database keeps. Delete one that nobody uses."""


class TemplateTooLargeError(TooLargeError):
    """The template is too large: {summary}."""


class TemplateInvalidError(InvalidInputError):
    """The template cannot be used: {summary}."""


class VariablesInvalidError(InvalidInputError):
    """The template {name!r} cannot be rendered with these variables: {summary}."""


class RenderError(InvalidInputError):
    """The template {name!r} cannot be rendered: {summary}."""


class RenderLimitError(InvalidInputError):
    """Rendering the template {name!r} was stopped: {reason}. Mend the template: loops and repeated text are what usually costs that much."""
