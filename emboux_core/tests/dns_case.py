# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Name servers on loopback, a domain they serve, and how it is checked: for the tests."""

from odoo.addons.emboux_core.dns.expected import (
    DkimKey,
    MailService,
    MxTarget,
    expected_records,
)
from odoo.addons.emboux_core.dns.lookup import Resolver, check_domains
from odoo.addons.emboux_core.tests.dns_server import DnsServer, PlainTest

KEY = "QUJD" * 100
SERVICE = MailService(
    mx=(MxTarget(10, "mx.host.test"),),
    spf=("include:spf.host.test",),
    dkim=(DkimKey("s1", "rsa", KEY),),
    verification="t0ken",
    imap_host="imap.host.test",
)
GOOD_ZONE = f"""
@ IN MX 10 mx.host.test.
@ IN TXT "v=spf1 include:spf.host.test ~all"
_emboux IN TXT "emboux-verification=t0ken"
_dmarc IN TXT "v=DMARC1; p=reject"
s1._domainkey IN TXT "v=DKIM1; k=rsa; " "p={KEY[:200]}" "{KEY[200:]}"
_imaps._tcp IN SRV 0 1 993 imap.host.test.
"""
HOST_ZONE = 'spf IN TXT "v=spf1 ip4:192.0.2.0/24 -all"\nimap IN A 192.0.2.2\n'
TIMEOUT_S = 0.25


def glue(origin, *addresses):
    """Return the delegation of a zone to name servers on these addresses."""
    return "".join(
        f"@ IN NS ns{number}\nns{number} IN {'AAAA' if ':' in address else 'A'} {address}\n"
        for number, address in enumerate(addresses, 1)
    )


class LookupCase(PlainTest):
    """``resolver`` plays the resolver and knows the truth; ``server`` plays the zones' servers."""

    def setUp(self):
        super().setUp()
        self.resolver = self.start(DnsServer({"test": "", "host.test": HOST_ZONE}))
        self.server = self.start(DnsServer({}, "127.0.0.2", self.resolver.port))
        self.settings = Resolver(
            nameservers=(("127.0.0.1", self.resolver.port),),
            authoritative_port=self.resolver.port,
            timeout_s=TIMEOUT_S,
            allow_private=True,
        )

    def start(self, server):
        self.addCleanup(server.stop)
        return server.start()

    def serve(self, origin, text=GOOD_ZONE, addresses=("127.0.0.2",)):
        """Delegate a zone to ``addresses`` and let ``server`` hold ``text``."""
        delegation = glue(origin, *addresses)
        self.resolver.add_zone(origin, delegation)
        self.server.add_zone(origin, delegation + text)

    def check(self, domain="shop.test", **options):
        return self.check_all([domain], **options)[domain]

    def check_all(self, domains, resolver=None, **options):
        jobs = [(domain, expected_records(domain, SERVICE)) for domain in domains]
        return check_domains(jobs, resolver or self.settings, **options)

    def states(self, check):
        return {verdict.key: verdict.state for verdict in check.verdicts}

    def assert_all(self, check, state):
        self.assertEqual(set(self.states(check).values()), {state}, check)
