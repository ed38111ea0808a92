"""The OpenAPI document and the page that shows it."""

from urllib.parse import urlparse

import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
from support.browser import Browser


@pytest.fixture(scope="module")
def document(master):
    answer = master.with_key(None).get("/openapi.json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    return answer.json()


def operations(document):
    return [operation for methods in document["paths"].values() for operation in methods.values()]


def test_document_get_nobody_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1.")
    faults = [f"{'/'.join(map(str, fault.instance_path))}: {fault.message}"
              for fault in OPENAPI_31_VALIDATOR.iter_errors(document)]
    assert not faults
    broken = document | {"paths": {"/x": {"get": {"responses": {"200": {}}}}}}
    assert list(OPENAPI_31_VALIDATOR.iter_errors(broken))  # the validator does look


def test_document_get_nobody_every_reference_leads_somewhere(document):
    found = []

    def follow(node):
        if isinstance(node, dict):
            if "$ref" in node:
                found.append(node["$ref"])
            for inner in node.values():
                follow(inner)
        elif isinstance(node, list):
            for inner in node:
                follow(inner)

    follow(document)
    names = document["components"]["schemas"]
    assert len(found) > 100
    assert all(ref.removeprefix("#/components/schemas/") in names for ref in found)


def test_document_get_nobody_says_all_there_is_to_say(document):
    ids = [operation["operationId"] for operation in operations(document)]
    assert len(ids) == len(set(ids)) >= 45
    for operation in operations(document):
        assert operation["summary"] and operation["tags"], operation
        for status, answer in operation["responses"].items():
            assert answer["description"], (operation["operationId"], status)
            if status >= "400":
                assert "application/json" in answer["content"], (operation["operationId"], status)
    old = {o["operationId"] for o in operations(document) if o.get("deprecated")}
    assert old == {"ses_verify_domain", "get_ses_status"}


def test_document_get_nobody_declares_no_5xx_and_no_secret(document):
    assert not any(status >= "500" for o in operations(document) for status in o["responses"])
    shown = {name for name, schema in document["components"]["schemas"].items()
             if {"password", "password_hash", "secret"} & set(schema.get("properties", {}))}
    assert shown == {"UserCreate", "UserUpdate", "NewApiKey", "NewWebhook"}


def test_docs_get_nobody_shows_all_operations_without_the_internet(
    document, master, status, tmp_path
):
    browser = Browser(status, tmp_path)
    asked = []

    def only_here(route):
        asked.append(route.request.url)
        here = urlparse(route.request.url)
        if here.scheme == "data" or here.hostname in ("127.0.0.1", "localhost"):
            route.continue_()
        else:
            route.abort()

    try:
        browser.page.route("**/*", only_here)
        answer = browser.page.goto(f"{master.url}/docs")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "connect-src 'self'" in policy
        browser.page.wait_for_selector(".opblock", timeout=60_000)
        wanted = len(operations(document)) + len(document["webhooks"])
        browser.page.wait_for_function(
            f"document.querySelectorAll('.opblock').length == {wanted}", timeout=30_000)
        shown = browser.page.inner_text("body")
        for operation in operations(document):
            assert operation["summary"] in shown
        browser.page.click(".opblock-summary >> nth=1")
        browser.page.wait_for_selector(".opblock.is-open .responses-wrapper", timeout=30_000)
        assert browser.errors == []
    finally:
        browser.close()
    hosts = {urlparse(url).hostname for url in asked if not url.startswith("data:")}
    assert hosts == {urlparse(master.url).hostname}
    assert any(url.endswith("/openapi.json") for url in asked)
