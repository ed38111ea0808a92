"""Generated requests against the whole document: no 5xx, and every answer as it says.

    ./setup/test tests/api/test_schema.py                          a few thousand cases
    EMBOUX_FUZZ_EXAMPLES=200 ./setup/test tests/api/test_schema.py  some twenty thousand
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = int(os.environ.get("EMBOUX_FUZZ_EXAMPLES", "12"))  # of each kind for each operation
LEAST_CASES = 2000
#: Not asked: whether whatever fits the schema is also accepted, for names and references of
#: things that are not there fit too.
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_headers_conformance", "response_schema_conformance", "negative_data_rejection",
    "unsupported_method", "missing_required_header", "ignored_auth",
)


@pytest.fixture
def unthrottled(odoo):
    """Thousands of requests, many without a key, from one address."""
    names = ("failures_allowed", "requests_per_second")
    for name in names:
        odoo("ir.config_parameter").set_param(f"emboux_mail_api.{name}", "1000000")
    yield
    for name in names:
        odoo("ir.config_parameter").set_param(f"emboux_mail_api.{name}", False)


def fuzz(api, folder, seed):
    report = folder / "report.json"
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{api.url}/openapi.json",
            "--header", f"Authorization: Bearer {api.key}",
            "--checks", ",".join(CHECKS), "--max-examples", str(EXAMPLES),
            "--workers", "2", "--continue-on-failure", "--seed", str(seed),
            "--warnings", "off", "--no-color", "--report-json-path", str(report),
        ],
        cwd=folder, capture_output=True, text=True, check=False, timeout=3 * 3600,
    )
    assert not done.returncode, done.stdout[-8000:] + done.stderr[-2000:]
    return json.loads(report.read_text())


def cases(report):
    assert not report["test_cases"]["errored"], report["errors"]
    return report["test_cases"]["generated"]


def test_schema_generated_requests_get_answers_that_conform(
    master, customers, odoo, tmp_path, unthrottled
):
    """With a master key and with a customer's, who has something to be found."""
    customer = customers()
    name = f"fuzz{tmp_path.name[-1]}-{os.getpid()}.example"
    assert customer.post("/domains/", {"name": name}).status_code == 201
    assert customer.post("/users/", {"email": f"ann@{name}"}).status_code == 201
    total = 0
    for number, api in enumerate((master, customer)):
        folder = tmp_path / str(number)
        folder.mkdir()
        total += cases(fuzz(api, folder, seed=20261121 + number))
    assert total >= LEAST_CASES
