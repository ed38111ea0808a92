"""The readme's table says of each function of mox's admin API what becomes of it, and is right."""

import re
from pathlib import Path

import pytest
from support.plain_core.tests.mox.docs import Docs

CORE = Path(__file__).resolve().parents[2] / "emboux_core"
TABLE = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$",
                        (CORE / "readme" / "CONFIGURE.md").read_text(), re.MULTILINE))
CODE = "".join(path.read_text() for path in (CORE / "backends").glob("mox*.py"))
FUNCTIONS = sorted(Docs("old").functions)


def test_all_functions_of_april_2024_are_in_the_table():
    assert len(FUNCTIONS) == 87
    assert sorted(TABLE) == FUNCTIONS


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_said_is_so(function):
    called = f'"{function}"' in CODE
    assert called == (not TABLE[function].startswith("no: ")), TABLE[function]


def test_so_it_is_of_what_came_later():
    later = set(Docs("new").functions) - set(FUNCTIONS)
    readme = (CORE / "readme" / "CONFIGURE.md").read_text().split("Of later versions besides:")[1]
    named = {name for name in re.findall(r"`(\w+)`", readme) if name in later}
    assert named == {name for name in later if f'"{name}"' in CODE}
