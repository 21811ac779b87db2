"""Which methods of a plugin may be called by name, and how; the rules are the SDK's, which a worker follows, too.

`async def` is awaited on the loop; `def` runs in a thread, or inline where the operator trusts the plugin.
"""

import inspect
from collections.abc import Callable
from typing import Any

from isp_plugin_sdk.calling import methods
from isp_plugin_sdk.calling.errors import RefusedError
from isp_plugin_sdk.calling.methods import public_methods
from isp_plugin_sdk.plugin import PluginInterface
from isp_plugins.contracts.calls import Callee, CallMode
from isp_plugins.runtime.refusals import refusal_of

__all__ = ["bound_method", "callee_of", "public_methods"]


def bound_method(instance: PluginInterface, root: str, name: str) -> Callable[..., Any]:
    """The named method of an instance; `MethodNotCallableError` with the reason and the methods there are."""
    try:
        return methods.bound_method(instance, root, name)
    except RefusedError as error:
        raise refusal_of(error.kind, error.fields) from None


def callee_of(instance: PluginInterface, root: str, name: str, *, trusted_inline: bool) -> Callee:
    """The named method ready to be called with a payload; `MethodNotCallableError` or `MethodArityError` where it cannot."""
    try:
        method = methods.payload_method(instance, root, name)
    except RefusedError as error:
        raise refusal_of(error.kind, error.fields) from None
    if inspect.iscoroutinefunction(method):
        return Callee(method, CallMode.ASYNC)
    return Callee(method, CallMode.INLINE if trusted_inline else CallMode.THREAD)
