# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Reading a platform's response, which may be anything."""

import json
import re
from typing import Any

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
MAX_NUMBER = 2**63 - 1  # what PostgreSQL can hold


class Unfit(ValueError):
    """The response has another shape; ``str()`` says where, and quotes nothing of it."""


def printable(text: str, length: int = 500) -> str:
    """One line of text that a database can store and a person can read."""
    text = _CONTROL.sub(" ", text).strip()
    return text if len(text) <= length else f"{text[: length - 3]}..."


class Fields:
    """An object of JSON; each method raises ``Unfit`` unless the field is of its type."""

    def __init__(self, value: Any, where: str = "answer"):
        if not isinstance(value, dict):
            raise Unfit(f"the {where} is not an object")
        self._value, self._where = value, where

    @classmethod
    def parse(cls, body: bytes) -> "Fields":
        try:
            return cls(json.loads(body))
        # a number of a million digits, and a list in a list in a list
        except (ValueError, RecursionError) as error:
            if isinstance(error, Unfit):
                raise
            raise Unfit("the answer is not JSON") from None

    def _get(self, name: str, kind: type) -> Any:
        value = self._value.get(name)
        if type(value) is not kind:  # True is an int for isinstance
            raise Unfit(f'"{name}" of the {self._where} is missing or of another type')
        return value

    def has(self, name: str) -> bool:
        """Whether the field is there: an older platform does not know all of them."""
        return name in self._value

    def none(self, name: str) -> bool:
        """Whether the field is null; it has to be there."""
        if name not in self._value:
            raise Unfit(f'"{name}" of the {self._where} is missing')
        return self._value[name] is None

    def text(self, name: str, pattern: str = r"", length: int = 4000) -> str:
        """``pattern`` has to match all of it; empty for any printable text."""
        text = self._get(name, str)
        if len(text) > length or _CONTROL.search(text):
            raise Unfit(f'"{name}" of the {self._where} is not plain text')
        if pattern and not re.fullmatch(pattern, text):
            raise Unfit(f'"{name}" of the {self._where} is not what it should be')
        return text

    def any_text(self, name: str) -> str:
        """Any text as one line that can be shown and stored."""
        return printable(self._get(name, str))

    def lines(self, name: str, length: int = 8000) -> tuple[str, ...]:
        """Text of several lines, each as one that can be shown and stored."""
        text = self._get(name, str)
        if len(text) > length:
            raise Unfit(f'"{name}" of the {self._where} is too long')
        return tuple(printable(line, 4000) for line in text.split("\n"))

    def text_or_none(self, name: str, pattern: str = r"", length: int = 4000) -> str | None:
        return None if self.none(name) else self.text(name, pattern, length)

    def number(self, name: str, lowest: int = 0, largest: int = MAX_NUMBER) -> int:
        number = self._get(name, int)
        if not lowest <= number <= largest:
            raise Unfit(f'"{name}" of the {self._where} is out of range')
        return number

    def flag(self, name: str) -> bool:
        return self._get(name, bool)

    def object(self, name: str) -> "Fields":
        return Fields(self._get(name, dict), name)

    def objects(self, name: str) -> "list[Fields]":
        return [Fields(value, f"row of {name}") for value in self._get(name, list)]

    def texts(self, name: str, pattern: str = r"", length: int = 4000) -> tuple[str, ...]:
        return tuple(
            Fields({name: value}, self._where).text(name, pattern, length)
            for value in self._get(name, list)
        )
