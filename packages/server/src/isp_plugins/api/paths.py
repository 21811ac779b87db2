"""Where the API is, and what an id in a path looks like; imported before any route is made."""

from starlette.convertors import Convertor, register_url_convertor

API = "/api/v1"
"""Prefix of every path but those of health and problems."""


class IdConvertor(Convertor[int]):
    """An id in a path: a whole number that fits every database's integer column; anything else is another path."""

    regex = "0|[1-9][0-9]{0,8}"

    def convert(self, value: str) -> int:
        """The number."""
        return int(value)

    def to_string(self, value: int) -> str:
        """The number as it stands in a path."""
        return str(value)


class LongIdConvertor(IdConvertor):
    """An id of a table that grows without end: at most 18 digits."""

    regex = "0|[1-9][0-9]{0,17}"


class NameConvertor(Convertor[str]):
    """A name in a path, as templates have; anything else is another path."""

    regex = "[a-z][a-z0-9_-]{0,63}"

    def convert(self, value: str) -> str:
        """The name."""
        return value

    def to_string(self, value: str) -> str:
        """The name as it stands in a path."""
        return value


register_url_convertor("id", IdConvertor())
register_url_convertor("longid", LongIdConvertor())
register_url_convertor("name", NameConvertor())
