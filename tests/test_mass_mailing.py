"""An Odoo with *Email Marketing*: the add-on for mailings comes by itself, and its tests pass."""

import re

import pytest
from parts import odoo_server, postgres
from parts.odoo_code import PROJECT
from support.another_odoo import fresh_database

DATABASE = "mailing"


@pytest.fixture(scope="module")
def printed(state):
    """What Odoo logged while *Email Marketing* was installed beside emboux_core."""
    fresh_database(state, DATABASE, ("emboux_core",))
    log = state.path("log", "mailing.txt")
    odoo_server.run(
        state, "server", "-c", str(odoo_server.config(state, DATABASE)), "-d", DATABASE,
        "-i", "mass_mailing", "--test-tags=/emboux_mass_mailing", "--stop-after-init",
        f"--http-port={state.port('mailing_odoo')}", log=log, env=odoo_server.environment(state))
    yield log.read_text()
    postgres.drop(state, DATABASE)


def test_it_installs_itself_and_warns_of_nothing(printed):
    assert "Loading module emboux_mass_mailing" in printed
    assert [line for line in printed.splitlines()
            if "emboux" in line and re.search(" (WARNING|ERROR|CRITICAL) ", line)] == []


def test_its_own_tests_pass(printed):
    failed, errors, ran = re.search(
        r"(\d+) failed, (\d+) error\(s\) of (\d+) tests", printed).groups()
    assert (failed, errors) == ("0", "0")
    written = (PROJECT / "emboux_mass_mailing" / "tests").glob("test_*.py")
    assert int(ran) == sum(path.read_text().count("    def test_") for path in written)
