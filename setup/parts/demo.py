"""Fits the demo database to this world: ports, passwords, and the demo domain's DNS."""

import hashlib
import json
from pathlib import Path

from . import dns, odoo_server, report

SCRIPT = Path(__file__).resolve().parent.parent / "demo_settle.py"
MAIL_HOST = f"mail.{report.DEMO_DOMAIN}"


def settle(state, database, mail):
    """Write what depends on this machine; nothing to do if that has not changed."""
    wish = {"password": state.password("admin"), "url": f"http://127.0.0.1:{state.port('odoo')}"}
    if mail:
        wish |= {
            "backend": {
                "mail_host": MAIL_HOST,
                "smtp_host": "localhost",
                "imap_host": "localhost",
                "smtp_starttls_port": state.port("submission"),
                "smtp_tls_port": state.port("smtps"),
                "imap_starttls_port": state.port("imap"),
                "imap_tls_port": state.port("imaps"),
            },
            "nameserver": f"127.0.0.1:{state.port('dns')}",
            "dns_port": str(state.port("dns")),
            "dns_server": {
                "host": "127.0.0.1",
                "port": state.port("dns"),
                "zones": dns.ZONE.removesuffix("."),
                "key_name": dns.KEY_NAME,
                "key_algorithm": dns.KEY_ALGORITHM,
                "key_secret": dns.tsig_secret(state),
            },
            "domain": report.DEMO_DOMAIN,
            "mailboxes": {name: state.password(f"mailbox {name}") for name in ("alice", "bob")},
        }
    text = json.dumps(wish, sort_keys=True)
    code = hashlib.sha256((text + SCRIPT.read_text()).encode()).hexdigest()
    if state.fact(f"settled {database}") == code:
        return
    print("Fitting the demo to this machine ...", flush=True)
    run = [state, SCRIPT, database]
    zone = odoo_server.shell(*run, EMBOUX_WISH=text, EMBOUX_STEP="configure")
    if mail:
        dns.publish(state, zone)
        odoo_server.shell(*run, EMBOUX_WISH=text, EMBOUX_STEP="verify")
    state.fact(f"settled {database}", code)
