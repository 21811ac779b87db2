import pytest

from isp_plugin_sdk.errors import ManifestInvalidError
from isp_plugin_sdk.manifest import MAX_BYTES, Limits, Manifest, PluginNeed, mistakes_in, read, with_lines
from support.manifests import GOOD

GOOD_TEXT = """\
name = "greeter"
version = "1.0.0"
plugin_type = "CUSTOM"
entry_point = "greeter.plugin:Greeter"

[requires]
plugins = [{ name = "payment_gateway", specifier = ">=1" }]

[limits]
memory_mb = 256

[config_schema]
greeting = { type = "string", default = "Welcome" }

[[hooks]]
hook_name = "customer_created"
hook_type = "action"
callback_method = "greet"
"""


def told(text):
    return [(one["line"], one["path"]) for one in mistakes_in(text)]


def test_good_manifest_is_read():
    manifest = read(GOOD_TEXT)
    assert (manifest.name, manifest.module_path, manifest.class_name) == (
        "greeter",
        "greeter.plugin",
        "Greeter",
    )
    assert manifest.requires.plugins == (PluginNeed("payment_gateway", ">=1"),)
    assert manifest.limits == Limits(memory_mb=256)
    assert manifest.config_schema == {"greeting": {"type": "string", "default": "Welcome"}}


def test_manifest_survives_json():
    manifest = Manifest.of(GOOD)
    assert Manifest.of(manifest.to_dict()) == manifest


def test_registration_names_module_and_class_apart():
    body = read(GOOD_TEXT).registration()
    assert (body["module_path"], body["entry_point"]) == ("greeter.plugin", "Greeter")
    assert body["dependencies"] == [
        {"kind": "plugin", "name": "payment_gateway", "specifier": ">=1", "optional": False}
    ]


def test_every_mistake_is_told_with_its_line():
    text = """\
name = "Greeter"
version = "1.0.0"
limits = { memory_mb = 1, disk = 3 }

[requires]
plugins = [
  { name = "a" },
  { name = "a", optional = "no" },
]

[[hooks]]
hook_name = "customer_created"
hook_type = "action"
callback_method = "greet"

[[hooks]]
"hook_name" = "Created"
hook_type = "action"
"""
    assert told(text) == [
        (1, "name"),
        (1, "plugin_type"),
        (1, "entry_point"),
        (3, "limits.memory_mb"),
        (3, "limits.disk"),
        (8, "requires.plugins.1.optional"),
        (8, "requires.plugins.1.name"),
        (16, "hooks.1.callback_method"),
        (17, "hooks.1.hook_name"),
    ]


def test_mistake_says_what_was_expected_and_what_came():
    (mistake,) = mistakes_in(GOOD_TEXT.replace('"CUSTOM"', '"custom"'))
    assert mistake["got"] == '"custom"'
    assert mistake["expected"].startswith("one of COMMUNICATION")
    assert mistake["message"].endswith("did you mean 'CUSTOM'?")


def test_mistake_in_the_configuration_schema_has_its_line():
    assert told(GOOD_TEXT.replace('type = "string"', 'type = "text"')) == [
        (13, "config_schema.greeting.type")
    ]


def test_date_in_the_configuration_schema_is_refused():
    assert told(GOOD_TEXT.replace('"Welcome"', "2026-01-01")) == [(13, "config_schema.greeting.default")]


def test_both_entry_point_and_command_are_refused():
    assert told(GOOD_TEXT.replace("\n[requires]", 'command = ["x"]\n[requires]', 1)) == [(5, "command")]


def test_word_of_the_language_is_refused():
    assert told(GOOD_TEXT.replace("greeter.plugin:", "greeter.class:")) == [(4, "entry_point")]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('name = "a"\nversion = \n', 2),
        ('name = "a"\nname = "b"\n', 2),
        ('name = "a', 1),
        ("\n\nplain", 3),
        (b'name = "a"\n\xff\n', 2),
        ("a = " + "[" * 3000, 1),
        ("a = " + "9" * 5000, 1),
        (f"# {'x' * MAX_BYTES}", 1),
    ],
)
def test_what_is_no_manifest_has_one_mistake_with_its_line(text, line):
    assert told(text) == [(line, "")]


def test_error_tells_all_mistakes_in_one_sentence():
    with pytest.raises(ManifestInvalidError, match=r"line 1: name: .*; line 2: version: ") as raised:
        read(GOOD_TEXT.replace('"greeter"', '"Greeter"', 1).replace('"1.0.0"', '"one"'))
    assert len(raised.value.mistakes) == 2


def test_mistakes_of_others_get_their_lines():
    placed = with_lines(
        GOOD_TEXT, [{"path": "hooks.0.conditions", "message": "x"}, {"path": "name", "message": "y"}]
    )
    assert [(one["path"], one["line"]) for one in placed] == [("name", 1), ("hooks.0.conditions", 15)]
