# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Lists that are filtered, sorted and paged, as mox does with its queue and its history."""

import re
from collections.abc import Callable, Iterable

from .docs import Failure, moment_of, now_ns, text_of

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9,
          "h": 3600 * 10**9}  # fmt: skip
_MINUTE_NS = _UNITS["m"]


def _nanoseconds(text: str, written: str) -> int:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    parts = re.findall(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)", digits)
    if digits == "0":
        return 0
    if not parts or "".join(map("".join, parts)) != digits:
        raise ValueError(f'parsing duration "{written}": time: invalid duration "{text}"')
    return sign * int(sum(float(number) * _UNITS[unit] for number, unit in parts))


class Listing:
    """Rows of one kind.  ``fields`` names what may be sorted by; the first is the default.
    ``less`` is what the real one says of a time that starts with neither "<" nor ">"."""

    less = 'must start with "<" for before or ">" for after a duration'

    def __init__(self, fields: tuple[str, ...]):
        self.fields = fields
        self.rows: dict[int, dict] = {}

    def chosen(self, what: str, filter_: dict, times: dict[str, str],
               matches: Callable[[dict, dict], bool], sort: dict | None = None) -> list[dict]:
        """``times`` is the filter's fields that hold a time, and the rows' fields."""
        try:
            conditions = [
                self._condition(name, filter_[name], field)
                for name, field in times.items() if filter_[name]
            ]  # fmt: skip
            found = [
                row for row in self.rows.values()
                if (not filter_["IDs"] or row["ID"] in filter_["IDs"])
                and all(holds(row) for holds in conditions) and matches(filter_, row)
            ]  # fmt: skip
            found = self._sorted(found, sort) if sort else found
        except ValueError as error:
            raise Failure("server:error", f"{what}: {error}") from None
        return found[: filter_["Max"]] if filter_["Max"] > 0 else found

    def _condition(self, name, written, field):
        """Which rows the time wants, relative to now."""
        words = {"NextAttempt": "next attempt", "LastActivity": "last activity"}
        try:
            if written[0] not in "<>":
                raise ValueError(self.less)
            text = written[1:].strip()
            limit = now_ns() + (0 if text == "now" else _nanoseconds(text, written))
        except ValueError as error:
            shown = words.get(name, "submitted")
            raise ValueError(f"applying filter for {shown}: {error}") from None
        if written[0] == "<":
            return lambda row: moment_of(row[field]) < limit
        return lambda row: moment_of(row[field]) > limit

    def _sorted(self, rows, sort):
        field = sort["Field"] or self.fields[0]
        if field not in self.fields:
            raise ValueError(f'unknown sort order field "{field}"')

        def place(row):
            return moment_of(row[field]), row["ID"]

        if sort["LastID"] > 0:
            after = (self._last(sort["Last"]), sort["LastID"])
            rows = [row for row in rows
                    if (place(row) > after if sort["Asc"] else place(row) < after)]  # fmt: skip
        return sorted(rows, key=place, reverse=not sort["Asc"])

    def _last(self, last):
        if not isinstance(last, str):
            kind = "<nil>" if last is None else {int: "float64"}.get(type(last), "bool")
            raise ValueError(f"last should be string with time, not {kind}")
        try:
            return moment_of(last)
        except ValueError:
            raise ValueError(f'parsing last "{last}" as time: cannot parse') from None


def shift(rows: Iterable[dict], minutes: int, from_now: bool) -> int:
    """Move the next attempts; return how many."""
    count = 0
    for row in rows:
        start = now_ns() if from_now else moment_of(row["NextAttempt"])
        row["NextAttempt"] = text_of(start + minutes * _MINUTE_NS)
        count += 1
    return count


def later(moment: str, nanoseconds: int) -> str:
    return text_of(moment_of(moment) + nanoseconds)

