"""Every limit of templates, its default and its unit."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB

MAX_FILES = 100
MAX_PATH_CHARACTERS = 200
MAX_FILE_BYTES = 128 * KIB
"""Of one file, as it stands in the template."""
MAX_TEMPLATE_BYTES = 512 * KIB
"""Of all files of a template together."""
MAX_VARIABLES = 50
MAX_VALUE_CHARACTERS = 500
MAX_PATTERN_CHARACTERS = 500
MAX_DESCRIPTION_CHARACTERS = 2000
MAX_TEMPLATES = 500
"""Templates that operators may add to one database."""


@dataclass(frozen=True, slots=True)
class RenderLimits:
    """What one rendering may cost."""

    output_bytes: int = 2 * MIB
    """Of all rendered files together."""
    memory_bytes: int = 256 * MIB
    """Address space of the child process, the interpreter itself included."""
    cpu_seconds: int = 3
    """Computing time of the child process."""
    wall_seconds: float = 20.0
    """From the request to the answer, so that a busy machine does not fail what costs little."""
