"""The result of an action that nobody is subscribed to: one for all of its dispatches, and nothing can change it."""

from typing import TYPE_CHECKING, NoReturn

from isp_plugins.hooks.calls import DispatchResult, Rare

if TYPE_CHECKING:
    from isp_plugins.hooks.chain import HookChain

NO_REQUEST = "0" * 32
"""Its request id: the caller gave none, and there is nothing that one could tie together."""


class NobodyResult(DispatchResult):
    """A result without subscriptions, shared."""

    __slots__ = ()

    def __init__(self, hook_chain: "HookChain") -> None:
        rare = Rare()
        rare.outcomes = ()
        given = {"hook_chain": hook_chain, "rare": rare, "values": (), "flag": False, "given_id": NO_REQUEST}
        for name, value in (given | {"given_context": None, "timeout_ms": None}).items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"the result of a dispatch cannot be changed ({name})")
