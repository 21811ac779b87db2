"""Why a plugin does not load: every step from its registration to its health, in order. Pure functions over facts.

1. What cannot be looked at because an earlier step failed says so, naming that step.
2. A plugin that nobody enabled is no problem for not running; what would keep it from starting is one all the same.
"""

from collections.abc import Iterator, Sequence

from isp_plugins.contracts.vocabulary import BindingStatus, Desired, HealthStatus, State
from isp_plugins.lifecycle.dependencies import Satisfaction
from isp_plugins.lifecycle.doctor.code import Kinship, Source
from isp_plugins.lifecycle.doctor.findings import Finding, Unread, ok, problem, unknown, warning
from isp_plugins.lifecycle.doctor.package_checks import check_package
from isp_plugins.lifecycle.doctor.plugin_facts import (
    BindingFacts,
    ConfigurationFacts,
    LogLine,
    ModuleFacts,
    PluginFacts,
)
from isp_plugins.lifecycle.doctor.worker_checks import check_worker
from isp_plugins.lifecycle.records import PluginRecord

CODE_CHECKS = ("module", "file", "syntax", "entry point", "interface")
CONTRACT_LINE = "from app.services.plugin_service import PluginInterface"


def findings_of(facts: PluginFacts) -> tuple[Finding, ...]:
    """Everything about a plugin, in the order in which a load goes."""
    record = facts.record
    return (
        ok("registered", f"plugin {record.id}, {record.name} {record.version}"),
        *(check_package(facts.package, record.name) if facts.package else ()),
        *(check_module(facts.module, record) if facts.module else ()),
        *check_dependencies(record.dependencies, record.name),
        *check_configuration(facts.configuration, record.name),
        *check_bindings(facts.bindings, record.name),
        check_state(record),
        check_threads(facts),
        *check_worker(facts.worker, facts.last_death, record.state, record.name),
        check_breaker(facts.breaker, record),
        check_errors(facts.errors, record),
        check_health(facts),
    )


def check_module(facts: ModuleFacts, record: PluginRecord) -> Iterator[Finding]:
    """Module path, file, syntax, entry point and interface; the first that fails hides those after it."""
    steps = (_path, _file, _syntax, _entry_point, _interface)
    for number, (check, step) in enumerate(zip(CODE_CHECKS, steps, strict=True)):
        finding = step(facts, record)
        yield finding
        if finding.status == "problem":
            rest = CODE_CHECKS[number + 1 :]
            yield from (unknown(later, f"it comes after '{check}'") for later in rest)
            return


def _path(facts: ModuleFacts, record: PluginRecord) -> Finding:
    if facts.path_mistake is not None:
        return problem(
            "module",
            facts.path_mistake,
            expected="dotted names as in plugins.my_plugin, and the name of a class",
            next_step=_update(record.name, "module_path", "plugins.my_plugin"),
        )
    if facts.outside is not None:
        return problem(
            "module",
            f"{record.module_path} is a link to {facts.outside}",
            expected="a file inside the plugin path",
            next_step="copy the file into the plugin path instead of linking to it",
        )
    searched = (
        ", ".join(folder if there else f"{folder} (not there)" for folder, there in facts.searched)
        or "no folder"
    )
    if facts.file is None:
        near = f"; there is {', '.join(facts.near)}" if facts.near else ""
        return problem(
            "module",
            f"no {facts.looked_for} in {searched}{near}",
            expected=f"the module {record.module_path} in a folder of the plugin path",
            next_step=f"put the file there, correct the path ({_update(record.name, 'module_path', facts.near[0] if facts.near else 'plugins.my_plugin')}), or set ISP_PLUGINS_PLUGIN_PATH",
        )
    return ok("module", f"{record.module_path} is {facts.file}")


def _file(facts: ModuleFacts, _record: PluginRecord) -> Finding:
    if facts.unreadable is None:
        return ok("file", "it can be read")
    return problem(
        "file",
        f"{facts.file}: {facts.unreadable}",
        expected="a file that the server's user can read",
        next_step=f"chmod a+r {facts.file}, and a+x on the folders above it",
    )


def _syntax(facts: ModuleFacts, _record: PluginRecord) -> Finding:
    if facts.is_compiled or facts.source is None:
        return unknown("syntax", "it is an extension module, there is no text to look at")
    if facts.source.mistake is None:
        return ok("syntax", "it compiles")
    return problem(
        "syntax",
        f"{facts.file}, {facts.source.mistake}",
        expected="Python that compiles",
        next_step=f"mend that line; 'python -m py_compile {facts.file}' tells the same",
    )


def _entry_point(facts: ModuleFacts, record: PluginRecord) -> Finding:
    source = facts.source
    if source is None:
        return unknown("entry point", "there is no text to look at")
    if source.defined:
        return ok("entry point", f"the file defines {record.entry_point}")
    if source.maybe_defined:
        return unknown("entry point", f"{record.entry_point} may come from an 'import *' or a __getattr__")
    there = (
        f"its plugin classes are {', '.join(source.plugins)}" if source.plugins else "it has no plugin class"
    )
    return problem(
        "entry point",
        f"the file does not define {record.entry_point}; {there}",
        expected=f"class {record.entry_point}(PluginInterface)",
        next_step=f"define it, or {_update(record.name, 'entry_point', source.plugins[0] if source.plugins else 'MyPlugin')}",
    )


def _interface(facts: ModuleFacts, record: PluginRecord) -> Finding:
    source = facts.source
    if source is None or source.kinship is Kinship.UNKNOWN:
        return unknown(
            "interface", f"where {_what(record, source)} comes from is known only once it is imported"
        )
    if source.kinship is Kinship.PLUGIN:
        return ok("interface", f"{record.entry_point} extends PluginInterface")
    bases = f"its bases are {', '.join(source.bases)}" if source.bases else "it has no base class"
    return problem(
        "interface",
        f"{record.entry_point} does not extend PluginInterface: {bases}",
        expected=f"class {record.entry_point}(PluginInterface), with '{CONTRACT_LINE}'",
        next_step="derive the class from PluginInterface, then enable the plugin again",
    )


def _what(record: PluginRecord, source: Source | None) -> str:
    return (
        f"{record.entry_point}'s base {', '.join(source.bases)}"
        if source and source.bases
        else record.entry_point
    )


def check_dependencies(needs: Sequence[Satisfaction], name: str) -> Iterator[Finding]:
    """What it needs of other plugins and of Python."""
    if not needs:
        yield ok("dependencies", "it needs none")
        return
    for need in needs:
        wanted = f"{need.dependency.name} {need.dependency.specifier}".strip()
        kind = "plugin" if need.dependency.kind == "plugin" else "Python package"
        if need.satisfied:
            yield ok("dependencies", f"{kind} {wanted}: {need.found}")
            continue
        tell = problem if need.blocks else warning
        step = (
            f"isp-plugins enable {need.dependency.name}, then isp-plugins enable {name}"
            if kind == "plugin"
            else f"install {wanted} into the host's environment, then isp-plugins enable {name}"
        )
        yield tell("dependencies", need.problem or "", expected=f"{kind} {wanted}", next_step=step)


def check_configuration(facts: ConfigurationFacts | Unread, name: str) -> Iterator[Finding]:
    """The schema, the values, the secrets."""
    if isinstance(facts, Unread):
        yield from (unknown(check, facts.why) for check in ("schema", "configuration", "secrets"))
        return
    if facts.schema_mistake is not None:
        yield problem(
            "schema",
            facts.schema_mistake,
            expected="the short form or a JSON Schema 2020-12",
            next_step=f"isp-plugins update {name} with a config_schema that is one",
        )
        yield unknown("configuration", "without a schema nothing can be compared")
        return
    yield ok("schema", "it is one that can be used")
    if facts.mistakes:
        key = next(
            (str(mistake.get("path")) for mistake in facts.mistakes if mistake.get("path")), "KEY"
        ).partition(".")[0]
        yield problem(
            "configuration",
            "; ".join(_mistake(mistake) for mistake in facts.mistakes),
            expected="a value that fits for every required key",
            next_step=f"isp-plugins config set {name} {key}=VALUE",
        )
    else:
        yield ok("configuration", f"complete and valid (version {facts.version})")
    if facts.unreadable:
        yield problem(
            "secrets",
            f"cannot be decrypted: {', '.join(facts.unreadable)} ({facts.cause})",
            expected="the key that encrypted them in the ring, and the values in their own place",
            next_step=f"put that key back (isp-plugins doctor looks at the ring), or isp-plugins config set {name} {facts.unreadable[0]}=VALUE",
        )
    else:
        yield ok(
            "secrets",
            f"stored encrypted, readable: {', '.join(facts.secrets)}" if facts.secrets else "none is stored",
        )


def _mistake(mistake: object) -> str:
    path, message = (
        (mistake.get("path"), mistake.get("message")) if isinstance(mistake, dict) else ("", mistake)
    )
    return f"{path}: {message}" if path else str(message)


def check_bindings(facts: Sequence[BindingFacts] | Unread, name: str) -> Iterator[Finding]:
    """Whether its subscriptions fit its methods."""
    if isinstance(facts, Unread):
        yield unknown("subscriptions", facts.why)
        return
    if not facts:
        yield ok("subscriptions", f"none; isp-plugins hooks add {name} HOOK METHOD binds one")
        return
    for one in facts:
        words = f"{one.method} on {one.hook} ({one.type})" + ("" if one.is_active else ", switched off")
        if one.binding == BindingStatus.INVALID:
            yield problem(
                "subscriptions",
                f"{words} does not fit: {one.error}",
                expected=f"a public method {one.method}(payload)",
                next_step=f"add the method, or bind another: isp-plugins hooks of {name} shows the ids",
            )
        elif one.binding == BindingStatus.UNVERIFIED:
            yield unknown("subscriptions", f"{words} is looked at when the plugin is loaded")
        else:
            yield ok("subscriptions", f"{words} fits")


def check_state(record: PluginRecord) -> Finding:
    """State, what is wanted, why, and the next try."""
    found = f"{record.state}, and {record.desired} is wanted"
    if record.state is State.ACTIVE:
        return ok("state", found)
    if record.state is State.STANDBY:
        return ok("state", f"{found}: {record.cause}")
    if record.state is State.QUARANTINED:
        return problem(
            "state",
            f"{found}: {record.cause}",
            expected="active",
            next_step=f"mend the cause, then isp-plugins enable {record.name}",
        )
    if record.desired is Desired.DISABLED and record.state is not State.FAILED:
        last = f"; the last try failed: {record.cause}" if record.cause else ""
        return warning(
            "state",
            found + last,
            expected="active, if it shall run",
            next_step=f"isp-plugins enable {record.name}",
        )
    tries = (
        f" after {record.failures} failed {'try' if record.failures == 1 else 'tries'}"
        if record.failures
        else ""
    )
    cause = f": {record.cause}" if record.cause else ""
    again = f" It is tried again at {record.retry_at:%Y-%m-%dT%H:%M:%SZ}." if record.retry_at else ""
    by_itself = ", or wait for the next try" if record.retry_at else ""
    return problem(
        "state",
        f"{record.state}{tries}, and {record.desired} is wanted{cause}{again}",
        expected="active",
        next_step=f"mend the cause, then isp-plugins enable {record.name}{by_itself}",
    )


def check_threads(facts: PluginFacts) -> Finding:
    """Calls that hang."""
    if isinstance(facts.abandoned, Unread):
        return unknown("threads", facts.abandoned.why)
    if not facts.abandoned:
        return ok("threads", "none is abandoned")
    return warning(
        "threads",
        f"{facts.abandoned} of its calls ran past their deadline and still hold a thread",
        expected=f"none; {facts.abandoned_limit} put it into quarantine",
        next_step="give what it waits for a time limit (a socket timeout, say); an abandoned thread ends only by itself or with the server",
    )


def check_breaker(breaker: str | None, record: PluginRecord) -> Finding:
    """The circuit breaker."""
    if breaker is None:
        return ok("breaker", "closed: calls go through")
    return problem(
        "breaker",
        breaker,
        expected="closed",
        next_step=f"mend what fails (isp-plugins logs --plugin {record.name} --level ERROR); it tries by itself again",
    )


def check_errors(facts: Sequence[LogLine] | Unread, record: PluginRecord) -> Finding:
    """The newest errors of its log."""
    if isinstance(facts, Unread):
        return unknown("log", facts.why)
    if not facts:
        return ok("log", "no error in its log")
    shown = "; ".join(f"{line.at:%Y-%m-%dT%H:%M:%SZ} {line.message.partition(chr(10))[0]}" for line in facts)
    return warning(
        "log",
        shown,
        expected="no errors",
        next_step=f"isp-plugins logs --plugin {record.name} --level ERROR --tracebacks",
    )


def check_health(facts: PluginFacts) -> Finding:
    """Its health: what it says now, where it was asked, else what the host knows."""
    if facts.record.state is not State.ACTIVE:
        return unknown("health", "it does not run")
    step = f"isp-plugins health {facts.record.name}"
    if isinstance(facts.probe, str):
        return problem(
            "health", f"its health check failed: {facts.probe}", expected="an answer in time", next_step=step
        )
    if facts.probe is None:
        status, reasons = facts.record.health.status, facts.record.health.reasons
    else:
        bad = [
            f"{check.get('name')}: {check.get('message') or check.get('status')}"
            for check in facts.probe.checks
            if check.get("status") != "pass"
        ]
        status, reasons = facts.probe.status, tuple(dict.fromkeys((*facts.record.health.reasons, *bad)))
    words = f"{status}" + (f": {'; '.join(reasons)}" if reasons else "")
    if status is HealthStatus.HEALTHY:
        return ok("health", words)
    if status is HealthStatus.UNKNOWN:
        return unknown("health", "nothing was probed yet")
    tell = problem if status is HealthStatus.UNHEALTHY else warning
    return tell("health", words, expected="healthy", next_step=step)


def _update(name: str, field: str, value: str) -> str:
    return f"""isp-plugins update {name} '{{"{field}": "{value}"}}'"""
