"""Everything that can go wrong with a plugin's code, one class a cause.

1. `cause` is one readable line, `traceback` the text of the plugin's own frames (or empty).
2. Both may repeat configuration values, secrets among them, because the plugin wrote them: whoever stores or shows them masks them first.
   What is cut here was masked before, so that no half of a secret is left that nobody would find.
3. What is wrong in a request (a path, a method's name, parameters) is also an `InvalidInputError`.
4. The text is all that is kept: no exception object of the plugin, so that nothing holds on to its frames and classes.
"""

from isp_plugins.errors import ConflictError, InvalidInputError


class PluginFailedError(ConflictError):
    """The plugin does not work: {reason}."""

    @property
    def cause(self) -> str:
        """What went wrong, in one line; not masked."""
        return " ".join(self.message.split())

    @property
    def traceback(self) -> str:
        """The frames of the plugin's own code, or an empty text; not masked."""
        return str(self.fields.get("traceback", ""))


class ModulePathInvalidError(InvalidInputError, PluginFailedError):
    """The module path {module_path!r} is not acceptable: {reason}. Expected the dotted name of a module on the plugin path, for example plugins.my_plugin."""


class EntryPointInvalidError(InvalidInputError, PluginFailedError):
    """The entry point {entry_point!r} is not acceptable: {reason}. Expected the name of a class in the module, for example MyPlugin."""


class ModuleMissingError(PluginFailedError):
    """There is no module {module_path} on the plugin path: looked for {looked_for} in {folders}. Put the file there, or correct module_path."""


class ModuleOutsideFolderError(PluginFailedError):
    """{path} is a link to {target}, which is outside the plugin path. Copy the file into the plugin path instead of linking to it."""


class PluginImportError(PluginFailedError):
    """{module_path} cannot be imported: {reason}. Correct the plugin's code and try again."""


class EntryPointMissingError(PluginFailedError):
    """{module_path} has no {entry_point}: {reason}. Correct entry_point, or define that class."""


class NotAPluginError(PluginFailedError):
    """{entry_point} of {module_path} is not a plugin: {reason}. Derive the class from app.services.plugin_service.PluginInterface."""


class ConstructorError(PluginFailedError):
    """{entry_point} cannot be constructed: {reason}. Expected `def __init__(self, plugin_id, config)` that calls super().__init__(plugin_id, config)."""


class LoadTimedOutError(PluginFailedError):
    """{module_path} did not finish {step} within {limit_s:g} s and was abandoned. Move what waits or loops out of it, into initialize or activate."""


class InitializeFailedError(PluginFailedError):
    """initialize failed: {reason}."""


class ActivateFailedError(PluginFailedError):
    """activate failed: {reason}."""


class MigrateFailedError(PluginFailedError):
    """The configuration could not be migrated: {reason}."""


class ConfigureFailedError(PluginFailedError):
    """The plugin refuses the configuration: {reason}."""


class InfoFailedError(PluginFailedError):
    """get_info failed: {reason}."""


class PluginStoppedError(PluginFailedError):
    """{plugin} has been stopped; enable it to call it again."""


class BindingError(InvalidInputError, PluginFailedError):
    """{method} cannot be called: {reason}."""


class MethodNotCallableError(BindingError):
    """{method} is not a method of {plugin} that may be called: {reason}. {choices}."""


class MethodArityError(BindingError):
    """{method} does not take one payload: its signature is {signature}, expected exactly one argument, as in `def {method}(self, payload)`."""


class ParametersInvalidError(InvalidInputError, PluginFailedError):
    """The parameters do not fit {method}{signature}: {reason}. An object is bound by name or goes whole to a method of one parameter, a list is bound by position."""


class ExecutionFailedError(PluginFailedError):
    """{method} failed: {reason}."""


class ExecutionTimedOutError(ExecutionFailedError):
    """{method} did not return within {limit_s:g} s and was abandoned."""


class ResultNotJsonError(ExecutionFailedError):
    """{method} returned what is not a JSON value: {reason}. Return null, booleans, numbers, text, lists and objects only."""
