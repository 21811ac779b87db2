"""How the parameters of an execute request become a method's arguments; the rules are the SDK's, which a worker follows, too."""

import inspect
from typing import Any

from isp_plugin_sdk.calling import binding
from isp_plugin_sdk.calling.binding import Arguments, shown, signature_of
from isp_plugin_sdk.calling.errors import ParametersRefusedError
from isp_plugins.runtime.errors import ParametersInvalidError

__all__ = ["Arguments", "bind", "shown", "signature_of"]


def bind(method: str, signature: inspect.Signature | None, parameters: Any) -> Arguments:
    """The arguments that `parameters` mean for a method; `ParametersInvalidError` with what was expected and what came."""
    try:
        return binding.bind(method, signature, parameters)
    except ParametersRefusedError as error:
        raise ParametersInvalidError(**error.fields) from None
