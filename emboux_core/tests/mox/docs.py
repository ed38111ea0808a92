# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What goes over the wire: the types that each generation of mox tells of itself.

``docs_new.json`` and ``docs_old.json`` were recorded from v0.0.17 and from the revision before
aliases (April 2024), by the call ``_docs``; the texts were left out.
"""

import base64
import datetime
import json
import re
import time
from pathlib import Path

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
NEVER = "0001-01-01T00:00:00Z"
_LAST = [0]


class Failure(Exception):
    """An answer with an error: a code and a message."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code, self.message = code, message


def user_error(message: str) -> Failure:
    return Failure("user:error", message)


class BadParams(Exception):
    pass


def text_of(moment_ns: int) -> str:
    """RFC 3339 with nanoseconds and without trailing zeros, as Go writes it."""
    seconds, rest = divmod(moment_ns, 10**9)
    day = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    fraction = f".{rest:09}".rstrip("0").rstrip(".")
    return f"{day:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def moment_of(text: str) -> int:
    """The nanoseconds since 1970; ``ValueError`` when it is no RFC 3339."""
    if not _TIME.fullmatch(text):
        raise ValueError(text)
    whole, fraction, zone = re.fullmatch(r"([^.Z+]+?)(\.\d+)?(Z|[+-]\d\d:\d\d)", text).groups()
    day = datetime.datetime.fromisoformat(whole + zone.replace("Z", "+00:00"))
    return int(day.timestamp()) * 10**9 + int(f"{(fraction or '.0')[1:]:0<9}"[:9])


def now_ns() -> int:
    """Each call gives a later moment, so that lists have one order."""
    _LAST[0] = max(time.time_ns(), _LAST[0] + 1)
    return _LAST[0]


def now() -> str:
    return text_of(now_ns())


def _kind(value) -> str:
    kinds = {bool: "bool", int: "number", float: "number", str: "string", list: "array"}
    return kinds.get(type(value), "object")


class Docs:
    """The functions and types of one generation."""

    def __init__(self, generation: str):
        path = Path(__file__).with_name(f"docs_{generation}.json")
        self.recorded = json.loads(path.read_text(encoding="utf-8"))
        self.functions = {one["Name"]: one for one in self.recorded["Functions"]}
        self.structs = {one["Name"]: one["Fields"] for one in self.recorded["Structs"]}
        self._strings = {one["Name"] for one in self.recorded["Strings"]}

    def shown(self, value=None):
        """What ``_docs`` returns: the real one has a text, ours an empty one, in each place."""
        value = self.recorded if value is None else value
        if isinstance(value, list):
            return [self.shown(one) for one in value]
        if not isinstance(value, dict):
            return value
        documented = "Functions" in value or "Returns" in value or "Fields" in value
        documented = documented or "Values" in value or ("Value" in value)
        shown = {name: self.shown(one) if one else one for name, one in value.items()}
        if "Fields" in value:
            shown["Fields"] = [{**field, "Docs": ""} for field in shown["Fields"]]
        return {**shown, "Docs": ""} if documented else shown

    def zero(self, *words: str):
        """What Go would send for a value of that type that nobody has set."""
        word = words[0]
        if word in ("[]", "{}", "nullable", "any"):
            return None
        if word == "bool":
            return False
        if word == "timestamp":
            return NEVER
        if word == "string" or word in self._strings:
            return ""
        if word in self.structs:
            return self.make(word)
        return 0

    def make(self, struct: str, **values):
        """A struct of that name; values of fields that this generation lacks are left out."""
        made = {one["Name"]: self.zero(*one["Typewords"]) for one in self.structs[struct]}
        made.update({name: value for name, value in values.items() if name in made})
        return made

    def arguments(self, function: str, params: list) -> list:
        """Check the params as Go's decoder does, and fill what they leave out."""
        wanted = self.functions[function]["Params"]
        return [
            self._read(one["Typewords"], value, f".{number}")
            for number, (one, value) in enumerate(zip(wanted, params, strict=True))
        ]

    def _read(self, words, value, place):
        word = words[0]
        if value is None or word == "any":
            return self.zero(*words) if value is None else value
        if word == "nullable":
            return self._read(words[1:], value, place)
        if word in self.structs:
            return self._read_struct(word, value, place)
        if word == "[]":
            return self._read_list(words, value, place)
        if word == "{}":
            if not isinstance(value, dict):
                raise self._wrong(value, place, "map")
            return {name: self._read(words[1:], one, place) for name, one in value.items()}
        return self._read_plain(word, value, place)

    def _read_struct(self, word, value, place):
        if not isinstance(value, dict):
            raise self._wrong(value, place, word)
        fields = {one["Name"].lower(): one for one in self.structs[word]}
        read = self.make(word)
        for name, one in value.items():
            field = fields.get(name.lower())
            if not field:
                raise BadParams(f'json: unknown field "{name}"')
            where = f"{place}.{field['Name']}"
            read[field["Name"]] = self._read(field["Typewords"], one, where)
        return read

    def _read_list(self, words, value, place):
        if words[1] == "uint8" and isinstance(value, str):
            try:
                return base64.b64encode(base64.b64decode(value, validate=True)).decode()
            except ValueError:
                raise BadParams("illegal base64 data at input byte 0") from None
        if not isinstance(value, list):
            raise self._wrong(value, place, f"[]{words[1]}")
        return [self._read(words[1:], one, place) for one in value]

    def _read_plain(self, word, value, place):
        if word == "timestamp":
            if not isinstance(value, str):
                raise BadParams("Time.UnmarshalJSON: input is not a JSON string")
            try:
                moment_of(value)
            except ValueError:
                raise BadParams(
                    f'parsing time "{value}" as "2006-01-02T15:04:05Z07:00": '
                    f'cannot parse "{value}" as "2006"'
                ) from None
            return value
        if word == "string" or word in self._strings:
            wanted = (str,)
        elif word == "bool":
            wanted = (bool,)
        else:
            wanted = (int, float) if word.startswith("float") else (int,)
        if type(value) not in wanted:
            raise self._wrong(value, place, {"int32": "int"}.get(word, word))
        return value

    @staticmethod
    def _wrong(value, place, wanted):
        shown = f"number {value}" if isinstance(value, float) else _kind(value)
        kind = "Go struct field " if place.count(".") > 1 else ""
        return BadParams(f"json: cannot unmarshal {shown} into {kind}{place} of type {wanted}")
