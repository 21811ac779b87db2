"""Names made of names, and which names Python leaves free: the filters of templates, and the rules of `VariableKind`.

1. A package must be importable, and must hide nothing that Python, pytest or the SDK import while the plugin's tests run.
2. A class must be an identifier that is no keyword.
"""

import json
import keyword
import re
import sys

PACKAGE = re.compile(r"[a-z][a-z0-9_]{0,63}")
CLASS = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
TAKEN = frozenset(
    {"app", "conftest", "peer", "iniconfig", "isp_plugin_sdk", "isp_plugins", "packaging", "pip", "plugins", "pluggy", "py", "pygments"}
    | {"pytest", "ruff", "setuptools", "site", "sitecustomize", "test", "tests", "usercustomize", "venv", "wheel"}
)  # fmt: skip
"""Modules and folders that a plugin's tests need, or that this product has."""


def snake(text: str) -> str:
    """`Acme Pay-2`: acme_pay_2."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return "_".join(re.findall(r"[a-z0-9]+", spaced.lower()))


def kebab(text: str) -> str:
    """`acme_pay`: acme-pay."""
    return snake(text).replace("_", "-")


def pascal(text: str) -> str:
    """`acme_pay`: AcmePay."""
    return "".join(word.capitalize() for word in snake(text).split("_"))


def sentence(text: str) -> str:
    """`acme_pay`: Acme pay."""
    return snake(text).replace("_", " ").capitalize()


def literal(text: str) -> str:
    """A text as a JSON string, which is a Python and a TOML string too."""
    return json.dumps(str(text), ensure_ascii=False)


def docstring(text: str) -> str:
    """A text as a docstring of one line, quotes included."""
    escaped = str(text).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{escaped[:-1]}\\""""' if escaped.endswith('"') else f'"""{escaped}"""'


def package_problem(name: str) -> str | None:
    """Why a plugin cannot be called that, or None."""
    if not PACKAGE.fullmatch(name):
        return f"expected a lower-case letter, then up to 63 of a-z, 0-9 and _ ({PACKAGE.pattern})"
    if keyword.iskeyword(name):
        return "is a word of the Python language"
    if name in sys.stdlib_module_names or name in TAKEN:
        return "is the name of a module that Python or the plugin's tests need themselves"
    return None


def class_problem(name: str) -> str | None:
    """Why a class cannot be called that, or None."""
    if not CLASS.fullmatch(name):
        return f"expected letters, digits and _, no digit first ({CLASS.pattern})"
    if keyword.iskeyword(name) or name == "PluginInterface":
        return "is taken: a word of the Python language, or the class that every plugin extends"
    return None
