"""The child process: what a hostile template costs is bounded, and none of it happens in the server."""

import asyncio
import os
from pathlib import Path

import pytest

from isp_plugins.templates.definition import Template, Variable
from isp_plugins.templates.errors import (
    RenderError,
    RenderLimitError,
    TemplateInvalidError,
    TemplateTooLargeError,
    VariablesInvalidError,
)
from isp_plugins.templates.limits import MAX_FILE_BYTES, MIB, RenderLimits
from isp_plugins.templates.renderer import Renderer

QUICK = RenderLimits(cpu_seconds=1, output_bytes=100_000)


def template(text="", *, path="a.txt", variables=None):
    """A template of one file."""
    variables = variables or (Variable("name", default="acme"),)
    return Template("mine", "", "CUSTOM", variables, {path: text})


async def test_template_is_rendered():
    assert await Renderer().render(template("hi {{ name }} é"), {"name": "x"}) == {"a.txt": "hi x é"}


async def test_good_template_is_checked_without_a_word():
    assert await Renderer().check(template("{{ name }}")) is None


async def test_errors_arrive_as_they_are():
    renderer = Renderer()
    with pytest.raises(TemplateInvalidError) as caught:
        await renderer.check(template("{{ nobody }}"))
    assert caught.value.details[0]["path"] == "files.a.txt"
    with pytest.raises(TemplateTooLargeError):
        await renderer.check(template("x" * (MAX_FILE_BYTES + 1)))
    with pytest.raises(VariablesInvalidError):
        await renderer.render(template(), {"nobody": "x"})
    with pytest.raises(RenderError, match="unsafe"):
        await renderer.render(template("{{ ''.__class__.x }}"), {})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "computing time"),
        ("{{ (9 ** 99999) ** 9999 }}", "computing time|memory"),
        ("{{ 'a' * 10 ** 10 }}", "memory"),
        ("{{ [0] * 10 ** 9 }}", "memory"),
        ("{{ '%1000000000d' % 1 }}", "memory"),
        ("{{ 'x' | center(10 ** 9) }}", "memory"),
        ("{{ 'xx'.ljust(10 ** 9) }}", "memory"),
        ("{% for a in range(99999) %}aaaaaaaaaa{% endfor %}", "beyond 100000 bytes"),
        (
            "{% set ns = namespace(x='aaaaaaaaaa') %}{% for a in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
            "memory",
        ),
    ],
)
async def test_template_that_costs_too_much_is_stopped(text, reason):
    with pytest.raises(RenderLimitError, match=reason):
        await Renderer(QUICK).render(template(text), {})


async def test_huge_range_is_refused():
    with pytest.raises(RenderError, match="Range too big"):
        await Renderer(QUICK).render(template("{% for i in range(10**9) %}{% endfor %}"), {})


@pytest.mark.parametrize(
    "text",
    [
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{% if 1 %}" * 3000 + "{% endif %}" * 3000,
        "{{ -" + "-" * 9000 + "1 }}",
    ],
)
async def test_text_that_nests_too_deep_is_refused_at_once(text):
    with pytest.raises((TemplateInvalidError, RenderLimitError)):
        await Renderer(QUICK).check(template(text))


async def test_constant_that_is_folded_while_compiling_is_stopped_too():
    with pytest.raises(RenderLimitError):
        await Renderer(QUICK).check(template("{{ (9 ** 99999) ** 9999 }}"))


async def test_pattern_that_never_ends_is_stopped():
    variables = (Variable("name", pattern="(a+)+$"),)
    with pytest.raises(RenderLimitError, match="computing time"):
        await Renderer(QUICK).render(template(variables=variables), {"name": "a" * 60 + "!"})


async def test_recursion_is_an_error():
    with pytest.raises((RenderError, RenderLimitError)):
        await Renderer(QUICK).render(template("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), {})


@pytest.mark.parametrize("path", ["../x", "/tmp/x", "{{ name }}/../../x", "a/{{ '..' }}/x", "{{ name }}"])
async def test_path_that_leaves_the_folder_is_refused(path):
    with pytest.raises(RenderError):
        await Renderer().render(template("x", path=path), {"name": "../../etc"})


async def test_loop_goes_on_while_a_template_is_being_stopped():
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    with pytest.raises(RenderLimitError):
        await Renderer(QUICK).render(template("{{ (9 ** 99999) ** 9999 }}"), {})
    ticking.cancel()
    assert ticks > 20


async def test_time_on_the_wall_is_bounded_as_well():
    limits = RenderLimits(cpu_seconds=60, wall_seconds=0.5)
    with pytest.raises(RenderLimitError, match=r"within 0\.5 s"):
        await Renderer(limits).render(template("{{ (9 ** 99999) ** 9999 }}"), {})
    assert children() == []


async def test_child_is_gone_when_its_request_is_cancelled():
    rendering = asyncio.create_task(
        Renderer(RenderLimits(cpu_seconds=60)).render(template("{{ (9 ** 99999) ** 9999 }}"), {})
    )
    while not children():
        await asyncio.sleep(0.01)
    rendering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rendering
    assert children() == []


async def test_many_requests_are_answered_with_few_children():
    renderer, most = Renderer(), 0
    work = asyncio.gather(*(renderer.render(template("{{ name }}"), {"name": str(n)}) for n in range(8)))
    while not work.done():
        most = max(most, len(children()))
        await asyncio.sleep(0.005)
    assert [files["a.txt"] for files in await work] == [str(n) for n in range(8)]
    assert 1 <= most <= 2


async def test_child_sees_nothing_of_the_servers_environment(monkeypatch):
    monkeypatch.setenv("ISP_PLUGINS_SECRET_KEYS", "do-not-tell")
    rendering = asyncio.create_task(
        Renderer(RenderLimits(cpu_seconds=60, memory_bytes=512 * MIB)).render(
            template("{{ (9 ** 99999) ** 9999 }}"), {}
        )
    )
    while not (found := children()):
        await asyncio.sleep(0.01)
    while b"templates.child" not in (command := Path(f"/proc/{found[0]}/cmdline").read_bytes()):
        await asyncio.sleep(0.01)
    assert b"do-not-tell" not in command + Path(f"/proc/{found[0]}/environ").read_bytes()
    rendering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rendering


def children():
    """The processes that this one has started and that still run."""
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(each) for each in found if b"templates.child" in _command(each) or not _command(each)]


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b"gone"
