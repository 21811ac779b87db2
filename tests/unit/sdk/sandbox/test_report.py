"""How the level follows from the layers."""

from isp_plugin_sdk.sandbox.report import Layer, Level, report_of


def test_namespaces_are_beyond_the_full_set():
    report = report_of([(Layer.FILES, None), (Layer.NAMESPACES, "refused")])
    assert report.level is Level.FULL
    assert report.lacking == ""


def test_any_other_missing_layer_makes_it_partial():
    report = report_of([(Layer.LIMITS, None), (Layer.FILES, "no Landlock")])
    assert report.level is Level.PARTIAL
    assert report.lacking == "files (no Landlock)"


def test_nothing_that_holds_is_none():
    assert report_of([]).level is Level.NONE


def test_report_is_told_as_json():
    told = report_of([(Layer.FILES, None), (Layer.USER, "root")], ["a note"]).to_dict()
    assert told == {
        "level": "partial",
        "holds": ["files"],
        "missing": [{"layer": "user", "why": "root"}],
        "notes": ["a note"],
    }
