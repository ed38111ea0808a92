"""A pytest plugin: what the web client is made of is there before the first tour.

Odoo compiles scripts and style sheets when a page first asks for them, and keeps them in the
database.  A test's transaction is rolled back, and these with it, so each class of tours would
wait for them anew.
"""

import pytest

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.tests.common import get_db_name

#: What the pages of the tours ask for, as Odoo's log tells; whatever is missing is made as before.
SCRIPTS = ("web.assets_frontend_minimal", "web.assets_frontend_lazy", "web.assets_web",
           "web.assets_tests", "web.__assets_tests_call__", "web.assets_emoji",
           "bus.websocket_worker_assets")
STYLES = ("web.assets_frontend", "web.assets_web", "web.assets_web_print")


@pytest.fixture(scope="session", autouse=True)
def tour_assets(request, load_registry):
    if any("tour" in item.path.name for item in request.session.items):
        with Registry(get_db_name()).cursor() as cursor:
            qweb = api.Environment(cursor, SUPERUSER_ID, {})["ir.qweb"]
            for bundle in SCRIPTS:
                qweb._get_asset_bundle(bundle, css=False, js=True).js()
            for bundle in STYLES:
                qweb._get_asset_bundle(bundle, css=True, js=False).css()
