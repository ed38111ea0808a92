"""Runs in ``odoo shell`` (see parts/demo.py): fits the demo records to this world's ports.

Step ``configure`` prints the demo domain's zone text; step ``verify`` checks its DNS.
"""

import json
import os

from odoo.modules import Manifest
from odoo.tools.convert import convert_file

DNS_SERVER = "Demo name server"
wish = json.loads(os.environ["EMBOUX_WISH"])
env = globals()["env"]


def load_demo():
    """Once: people may delete what it makes."""
    module = env.ref("base.module_emboux_mail_api")
    if not module.demo:
        for name in Manifest.for_addon(module.name)["demo"]:
            convert_file(env, module.name, name, {}, mode="init", noupdate=True)
        module.demo = True


def demo_domain():
    return env["emboux.domain"].search([("name", "=", wish.get("domain"))])


if os.environ["EMBOUX_STEP"] == "configure":
    load_demo()
    domain = demo_domain()
    env.ref("base.user_admin").password = wish["password"]
    parameters = env["ir.config_parameter"]
    parameters.set_param("web.base.url", wish["url"])
    if "backend" in wish:
        parameters.set_param("emboux_core.dns_nameservers", wish["nameserver"])
        parameters.set_param("emboux_core.dns_port", wish["dns_port"])
        parameters.set_param("emboux_core.dns_allow_private", "True")
        servers = env["emboux.dns.server"].with_context(active_test=False)
        server = servers.search([("name", "=", DNS_SERVER)], limit=1)
        if server:
            server.write(wish["dns_server"])
        else:
            server = servers.create({"name": DNS_SERVER, **wish["dns_server"]})
        backend = env.ref("emboux_mail_api.backend_local")
        backend.write(wish["backend"])
        backend.action_test()
        for name, password in wish["mailboxes"].items():
            domain.mailbox_ids.filtered(lambda box, name=name: box.local_part == name).write(
                {"password": password}
            )
        print(domain.zone_text or "")
else:
    env["emboux.dns.server"].search([("name", "=", DNS_SERVER)]).action_test()
    if domain := demo_domain():  # people may delete the demo's records
        domain.action_check_now()
    env.ref("emboux_mail_api.backend_local").action_test()

env.cr.commit()
