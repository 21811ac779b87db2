"""What can go wrong with a mail, in the operator's words; no message ever holds the password."""

from isp_plugin_sdk import PluginSdkError


class EmailError(PluginSdkError):
    """No mail could be sent."""


class SettingsError(EmailError):
    """The configuration cannot be used: {problem}."""


class TemplateError(EmailError):
    """The template {template} cannot be used: {problem}."""


class AddressError(EmailError):
    """{address} is not an e-mail address that mail can be sent to: {problem}."""


class UnreachableError(EmailError):
    """The mail server {server} cannot be reached: {problem}. Check smtp_server, smtp_port and the network."""


class TlsError(EmailError):
    """No encrypted connection to the mail server {server}: {problem}. {hint}"""


class LoginError(EmailError):
    """The mail server {server} refuses the login of {username}: {problem}. Check username and password."""


class RefusedError(EmailError):
    """The mail server {server} refuses the mail: {problem}."""
