"""Why a subscription did not run: first the hook, then each subscription, from its plugin to its last turn. Pure functions over facts.

1. What keeps a subscription from running whatever the payload is a problem: plugin, switch, binding, breaker.
2. A condition that is false is a problem for a payload that was given, and a warning for the catalogue's sample.
3. What has kept it from running since the start (an earlier reject or failure, a deadline, its own echo, a full queue) is a warning with a count.
"""

from collections.abc import Iterator, Mapping

from isp_plugins.contracts.vocabulary import BindingStatus, FailurePolicy, HookKind, SkipReason, State
from isp_plugins.lifecycle.doctor.delivery_checks import check_delivery
from isp_plugins.lifecycle.doctor.findings import Finding, ok, problem, unknown, warning
from isp_plugins.lifecycle.doctor.hook_facts import HookFacts, SubscriptionFacts

_LATER: Mapping[SkipReason, tuple[str, str, str]] = {
    SkipReason.AFTER_REJECT: (
        "an earlier subscription rejected the dispatch",
        "a turn in every dispatch, or a veto that is meant",
        "isp-plugins stats shows who rejects; a smaller priority of {label} puts it before",
    ),
    SkipReason.AFTER_STOP: (
        "an earlier failure stopped the dispatch",
        "no failure before it",
        "isp-plugins logs --hook {hook} --level ERROR; mend what fails, or give it the failure policy continue",
    ),
    SkipReason.AFTER_DEADLINE: (
        "the dispatch's deadline had passed",
        "all calls within {deadline} ms",
        "isp-plugins hooks show {hook}: mean and max show who is slow; make it an event, or give it a timeout_ms of its own",
    ),
    SkipReason.OWN_ECHO: (
        "its own plugin caused the dispatch, and it does not ask for its own echo",
        "dispatches that others cause",
        "isp-plugins hooks update {plugin} {hook_id} '{{\"own_echo\": true}}', if it shall hear itself",
    ),
    SkipReason.PLUGIN_STOPPED: (
        "its plugin did not run",
        "an active plugin",
        "isp-plugins doctor plugin {plugin}",
    ),
    SkipReason.RUNS_ELSEWHERE: (
        "its plugin is a singleton and runs on another node, so dispatches on this one leave it out",
        "dispatches on the node that runs it, or a subscription of type event, which is delivered there",
        "isp-plugins nodes {plugin}; dispatch there, make it an event, or give the plugin the placement per-node",
    ),
    SkipReason.WORKER_DOWN: (
        "its plugin's worker had died and was not up again",
        "a worker that does not die",
        "isp-plugins deaths {plugin}",
    ),
    SkipReason.BREAKER_OPEN: (
        "its plugin's circuit breaker was open",
        "calls that do not fail",
        "isp-plugins logs --plugin {plugin} --level ERROR",
    ),
}
"""What a count of skips means, what was expected, and the next step; conditions and switches have checks of their own."""


def findings_of(facts: HookFacts) -> tuple[Finding, ...]:
    """Everything about a hook and its subscriptions."""
    return (
        *check_hook(facts),
        *(
            finding.about(one.label)
            for one in facts.subscriptions
            for finding in check_subscription(one, facts)
        ),
    )


def check_hook(facts: HookFacts) -> Iterator[Finding]:
    """The hook by itself."""
    yield _known(facts)
    yield _dispatched(facts)
    yield _payload(facts)
    yield _subscribed(facts)


def _known(facts: HookFacts) -> Finding:
    spec = facts.spec
    if spec.known:
        by_host = "; only the host dispatches it" if spec.internal else ""
        return ok("hook", f"{spec.name}, {_article(spec.kind)} of the catalogue{by_host}")
    close = (
        f"did you mean {', '.join(facts.close)}?"
        if facts.close
        else "isp-plugins hooks list shows the catalogue"
    )
    if facts.subscriptions or facts.others or facts.dispatches:
        return ok("hook", f"{spec.name}, one of your own")
    return problem(
        "hook",
        f"{spec.name} is not in the catalogue, and nobody subscribes to it",
        expected="a hook of the catalogue, or one of your own with subscriptions",
        next_step=close,
    )


def _article(kind: HookKind) -> str:
    return "an action" if kind is HookKind.ACTION else "a filter"


def _dispatched(facts: HookFacts) -> Finding:
    if facts.dispatches:
        return ok("dispatches", f"{facts.dispatches:,} since the server started")
    if facts.dispatches is None:
        return unknown("dispatches", "they are not counted while nobody subscribes")
    caller = (
        "it is the host's own: it comes when what it tells of happens"
        if facts.spec.internal
        else f"isp-plugins dispatch {facts.spec.name} '{{}}' tries it; then look whether your software calls this hook, by this name, on this server"
    )
    return warning(
        "dispatches",
        "never dispatched since the server started",
        expected="dispatches from your software",
        next_step=caller,
    )


def _payload(facts: HookFacts) -> Finding:
    whose = "the payload given" if facts.given else "the catalogue's sample"
    if not facts.payload_mistakes:
        return ok("payload", f"{whose} fits the hook's schema")
    words = "; ".join(f"{one['path'] or 'the whole'}: {one['message']}" for one in facts.payload_mistakes)
    tell = problem if facts.spec.kind is HookKind.FILTER else warning
    refused = (
        ", and a filter's value that does not fit is refused" if facts.spec.kind is HookKind.FILTER else ""
    )
    return tell(
        "payload",
        f"{whose} does not fit{refused}: {words}",
        expected="a payload of the hook's schema",
        next_step=f"isp-plugins hooks show {facts.spec.name} shows a sample",
    )


def _subscribed(facts: HookFacts) -> Finding:
    count = len(facts.subscriptions)
    if count:
        return ok(
            "subscriptions", f"{count}" + (f", and {facts.others} of other plugins" if facts.others else "")
        )
    of_others = f"{facts.others} of other plugins" if facts.others else "none"
    return problem(
        "subscriptions",
        of_others,
        expected="a subscription",
        next_step=f"isp-plugins hooks add PLUGIN {facts.spec.name} METHOD; one that code declares comes when the plugin is enabled",
    )


def check_subscription(facts: SubscriptionFacts, hook: HookFacts) -> Iterator[Finding]:
    """One subscription: what keeps it from running now, then what has kept it from running."""
    yield _plugin(facts)
    yield _active(facts)
    yield _binding(facts)
    yield _condition(facts, given=hook.given)
    if facts.breaker is not None:
        yield problem(
            "breaker",
            facts.breaker,
            expected="a closed circuit breaker",
            next_step=f"isp-plugins logs --plugin {facts.plugin.name} --level ERROR; it tries by itself again",
        )
    if facts.waits_for_thread:
        yield warning(
            "threads",
            "every thread is at work: its call waits, within the deadline",
            expected="a free thread",
            next_step="isp-plugins doctor, check 'threads'",
        )
    if facts.lag is not None:
        yield from check_delivery(facts, facts.lag)
    yield from _before(facts, hook)
    yield from _skips(facts, hook)
    yield _calls(facts, hook)


def _plugin(facts: SubscriptionFacts) -> Finding:
    plugin = facts.plugin
    if plugin.state is State.ACTIVE:
        return ok("plugin", f"{plugin.name} is active")
    if plugin.state is State.STANDBY:
        return warning(
            "plugin",
            f"{plugin.name} stands by on this node: {plugin.cause}",
            expected="a dispatch on the node that runs it; here only its events are accepted, and delivered there",
            next_step=f"isp-plugins nodes {plugin.name}",
        )
    return problem(
        "plugin",
        f"{plugin.name} is {plugin.state}" + (f": {plugin.cause}" if plugin.cause else ""),
        expected="an active plugin",
        next_step=f"isp-plugins doctor plugin {plugin.name}",
    )


def _active(facts: SubscriptionFacts) -> Finding:
    if facts.view.is_active:
        return ok("active", f"switched on, {facts.view.hook_type}, priority {facts.view.priority}")
    return problem(
        "active",
        "switched off",
        expected="is_active true",
        next_step=f"""isp-plugins hooks update {facts.plugin.name} {facts.view.id} '{{"is_active": true}}'""",
    )


def _binding(facts: SubscriptionFacts) -> Finding:
    view = facts.view
    if view.binding is BindingStatus.VALID:
        return ok("binding", f"{view.callback_method} fits")
    if view.binding is BindingStatus.UNVERIFIED:
        return unknown("binding", "it is looked at when the plugin is loaded")
    return problem(
        "binding",
        f"{view.callback_method} does not fit: {view.binding_error}",
        expected=f"a public method {view.callback_method}(payload)",
        next_step="add the method to the plugin and reload it, or bind another one",
    )


def _condition(facts: SubscriptionFacts, *, given: bool) -> Finding:
    found = facts.condition
    if found is None:
        return ok("condition", "none: it runs for every payload")
    step = f"isp-plugins hooks update {facts.plugin.name} {facts.view.id} '{{\"conditions\": ...}}'"
    if isinstance(found, str):
        return problem("condition", found, expected="a condition that compiles", next_step=step)
    if found.met:
        return ok("condition", f"{facts.view.conditions} is true: {found}")
    whose = "the payload given" if given else "the catalogue's sample"
    hint = "correct the condition or the payload" if given else "give a payload of your own with --payload"
    verdict = "false" if found.met is False else "without a value, which counts as false,"
    return (problem if given else warning)(
        "condition",
        f"{facts.view.conditions} is {verdict} for {whose}: {found}",
        expected="a condition that is true",
        next_step=f"{hint}: {step}" if given else hint,
    )


def _before(facts: SubscriptionFacts, hook: HookFacts) -> Iterator[Finding]:
    """Earlier subscriptions that have rejected, or would stop the dispatch by failing, and have failed."""
    index = next((number for number, one in enumerate(hook.chain) if one is facts), 0)
    guilty = [
        f"{one.label} (priority {one.view.priority}) has "
        + (
            f"rejected {times(one.counts.rejects)}"
            if one.counts.rejects
            else f"failed {times(one.counts.errors + one.counts.timeouts)}"
        )
        for one in hook.chain[:index]
        if not one.is_event
        and (one.counts.rejects or ((one.counts.errors or one.counts.timeouts) and _ends(one, hook)))
    ]
    if guilty:
        yield warning(
            "before it",
            "; ".join(guilty) + ", which ends the dispatch",
            expected="earlier subscriptions that let it go on",
            next_step=f"isp-plugins hooks show {hook.spec.name} shows the order; a smaller priority comes first",
        )


def _ends(one: SubscriptionFacts, hook: HookFacts) -> bool:
    """Whether a failure of this one ends the dispatch (rule 3 of `hooks.verdicts`)."""
    guards = hook.spec.veto or hook.spec.kind is HookKind.FILTER
    return one.view.failure_policy is FailurePolicy.STOP or (hook.spec.fail_closed and guards)


def _skips(facts: SubscriptionFacts, hook: HookFacts) -> Iterator[Finding]:
    fields = {
        "hook": hook.spec.name,
        "plugin": facts.plugin.name,
        "label": facts.label,
        "hook_id": facts.view.id,
        "deadline": hook.spec.deadline_ms,
    }
    for reason, (why, expected, step) in _LATER.items():
        count = facts.counts.skips.get(reason, 0)
        if count:
            yield warning(
                "skipped",
                f"{times(count)} because {why}",
                expected=expected.format(**fields),
                next_step=step.format(**fields),
            )


def _calls(facts: SubscriptionFacts, hook: HookFacts) -> Finding:
    counts = facts.counts
    false = counts.skips.get(SkipReason.CONDITION_FALSE, 0)
    failed = counts.skips.get(SkipReason.CONDITION_FAILED, 0)
    parts = [f"called {times(counts.calls)}" if counts.calls else "never called"]
    parts += [f"last at {counts.last_run}"] if counts.last_run else []
    parts += [f"{counts.queued} events queued"] if facts.is_event else []
    parts += [f"condition false {times(false)}"] if false else []
    parts += [f"condition failed {times(failed)}"] if failed else []
    if counts.errors or counts.timeouts:
        said = f": {counts.last_error}" if counts.last_error else ""
        return warning(
            "calls",
            f"{', '.join(parts)}, {counts.errors} failed{said}, {counts.timeouts} too late",
            expected="calls that return in time",
            next_step=f"isp-plugins logs --plugin {facts.plugin.name} --hook {hook.spec.name} --tracebacks",
        )
    return ok("calls", ", ".join(parts))


def times(count: int) -> str:
    """How often, for people."""
    return "once" if count == 1 else f"{count:,} times"
