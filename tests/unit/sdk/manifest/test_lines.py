import json
import tomllib

from hypothesis import given
from hypothesis import strategies as st

from isp_plugin_sdk.manifest.lines import line_of, lines_of

TEXT = '''\
# a comment with [brackets] and "quotes
title = "x" # another = comment
a.b."c d" = 1

[table.inner]   # here
text = """
[not.a.table]
key = 5 \\""" """"
raw = \'\'\'
'' ]] \'\'\'
list = [ # comment ]
  1, [2, "]"],
  { x = 1, y.z = [true] },
]

[[many]]
k = 1979-05-27 07:32:00
[[many]]
k = 1
[[many.deep]]
v = 1
[many.deep.more]
w = 2
'''


def test_lines_of_every_form():
    lines = lines_of(TEXT)
    assert tomllib.loads(TEXT)
    wanted = {
        "title": 2, "a.b.c d": 3, "table.inner": 5, "table.inner.text": 6, "table.inner.raw": 9, "table.inner.list": 11,
        "table.inner.list.0": 12, "table.inner.list.1.1": 12, "table.inner.list.2": 13, "table.inner.list.2.y.z.0": 13,
        "many.0": 16, "many.0.k": 17, "many.1": 18, "many.1.k": 19, "many.1.deep.0.v": 21, "many.1.deep.0.more.w": 23,
    }  # fmt: skip
    assert {path: lines.get(path) for path in wanted} == wanted


def test_missing_path_has_the_line_around_it():
    lines = lines_of(TEXT)
    assert line_of(lines, "many.1.missing.key") == 18
    assert line_of(lines, "nowhere") == 1


keys = st.text(st.characters(codec="utf-8", exclude_characters="."), min_size=1, max_size=8)
scalars = st.one_of(
    st.integers(-(10**6), 10**6),
    st.booleans(),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])),
)
inline = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


def written(value):
    """A value as TOML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value) if not isinstance(value, str) else quoted(value)


def quoted(text):
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def paths(value, path):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from paths(each, f"{path}.{key}")


@given(st.lists(st.dictionaries(keys, inline, max_size=3), max_size=3), st.integers(0, 3))
def test_every_value_of_any_document_has_the_line_it_was_written_in(tables, blank):
    text, wanted = "", {}
    for index, table in enumerate(tables):
        text += "\n" * blank + "[[rows]]\n"
        wanted[f"rows.{index}"] = text.count("\n")
        for key, value in table.items():
            text += f"{quoted(key)} = {written(value)}\n"
            wanted |= dict.fromkeys(paths(value, f"rows.{index}.{key}"), text.count("\n"))
    assert tomllib.loads(text) == ({"rows": tables} if tables else {})
    lines = lines_of(text)
    assert {path: lines.get(path) for path in wanted} == wanted
