"""Whether a subscription fits its hook and its plugin: decided over values, every mistake at once.

1. The values themselves are right: names, bounds, and the condition compiles (`records`).
2. The type fits the hook's kind: an action hook takes action and event, a filter hook takes filter and event.
3. A hook of the ISP's own takes what its earlier subscriptions are: once one is `filter`, its kind is filter, once one is `action`,
   it is action; the other is refused. `event` fits both.
4. The plugin's class has the method, it is public, takes exactly one positional argument, and is not the lifecycle's. Who knows the
   class answers that (`Invoker.callee`); before the plugin was ever loaded the binding is unverified.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from isp_plugins.contracts.calls import Callee, Invoker
from isp_plugins.contracts.hooks import HookSpec
from isp_plugins.contracts.vocabulary import BindingStatus, HookKind, SubscriptionType
from isp_plugins.errors import PluginSystemError
from isp_plugins.hooks.catalogue import HOOK_NAME, spec_of
from isp_plugins.hooks.records import HookDraft, Mistake, mistake, mistakes_in

_FITTING = {
    HookKind.ACTION: (SubscriptionType.ACTION, SubscriptionType.EVENT),
    HookKind.FILTER: (SubscriptionType.FILTER, SubscriptionType.EVENT),
}
_KIND_OF = {SubscriptionType.ACTION: HookKind.ACTION, SubscriptionType.FILTER: HookKind.FILTER}


@dataclass(frozen=True, slots=True)
class Fit:
    """The verdict on one subscription; `callee` is there when the plugin runs and all fits."""

    status: BindingStatus
    mistakes: tuple[Mistake, ...] = ()
    callee: Callee | None = None

    @property
    def error(self) -> str | None:
        """The mistakes in one line, as the API shows them."""
        return "; ".join(one["message"] for one in self.mistakes) or None


def check(
    draft: HookDraft, *, earlier: Iterable[SubscriptionType] = (), invoker: Invoker | None = None
) -> Fit:
    """Check a subscription; `earlier` are the types of its hook's older subscriptions, `invoker` the running plugin, if it runs."""
    mistakes = mistakes_in(draft)
    if HOOK_NAME.fullmatch(draft.hook_name):
        mistakes += _kind_mistakes(draft, spec_of(draft.hook_name), earlier)
    callee = None
    if invoker is not None and not any(one["path"] == "callback_method" for one in mistakes):
        try:
            callee = invoker.callee(draft.callback_method)
        except PluginSystemError as error:
            mistakes.append(
                {"path": "callback_method", "message": error.message, "got": draft.callback_method}
            )
    if mistakes:
        return Fit(BindingStatus.INVALID, tuple(mistakes))
    return Fit(BindingStatus.VALID if callee is not None else BindingStatus.UNVERIFIED, callee=callee)


def kind_of(spec: HookSpec, types: Iterable[SubscriptionType]) -> HookKind:
    """A hook's kind; for one of the ISP's own what its subscriptions, oldest first, make of it."""
    if spec.known:
        return spec.kind
    return next((_KIND_OF[one] for one in types if one in _KIND_OF), spec.kind)


def _kind_mistakes(draft: HookDraft, spec: HookSpec, earlier: Iterable[SubscriptionType]) -> list[Mistake]:
    """Rules 2 and 3."""
    settled = [one for one in earlier if one in _KIND_OF]
    if not spec.known and not settled:
        return []
    kind = kind_of(spec, settled)
    if draft.hook_type in _FITTING[kind]:
        return []
    expected = " or ".join(_FITTING[kind])
    article = "an action hook" if kind is HookKind.ACTION else "a filter hook"
    why = f"{spec.name} is {article}" + ("" if spec.known else " by its earlier subscriptions")
    return [mistake("hook_type", expected, str(draft.hook_type), hint=why)]
