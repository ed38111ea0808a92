# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import json
import logging

from odoo import fields, models

from ..dns import domain_connect
from ..models.domain_dns import FORM_DEADLINE
from ..net.errors import BackendError
from ..settings import (
    DOMAIN_CONNECT_KEY_HOST,
    DOMAIN_CONNECT_PRIVATE_KEY,
    DOMAIN_CONNECT_TEMPLATE,
)

_logger = logging.getLogger(__name__)


class PublishElsewhere(models.TransientModel):
    """For zones that no server of ours holds: the provider's own page, or the zone file."""

    _inherit = "emboux.publish"

    provider_name = fields.Char("DNS Provider", readonly=True)
    provider_url = fields.Char(readonly=True, help="The provider's page that writes the records.")
    control_panel = fields.Char(readonly=True)
    zone_text = fields.Text(related="domain_id.zone_text")

    def action_connect(self):
        """Open the provider's page, which shows the records and writes them there."""
        self.ensure_one()
        return {"type": "ir.actions.act_url", "url": self.provider_url, "target": "new"}

    def _show_elsewhere(self):
        if self.mode == "withdraw":
            return self._show(
                "info", self.env._("This domain has no DNS server here to take records out of."),
                state="failed",
            )  # fmt: skip
        provider = self._provider()
        url = provider and self._provider_link(provider)
        self.write(
            {
                "provider_name": provider and provider.name,
                "provider_url": url,
                "control_panel": provider and provider.control_panel,
            }
        )
        if url:
            return self._show(
                "info",
                self.env._(
                    "%(provider)s hosts the DNS of %(domain)s and can set the records for you. Its "
                    "page opens in a new tab, shows the records, and writes them when you agree. "
                    "Then come back and press Check Now.",
                    provider=provider.name,
                    domain=self.domain_name,
                ),
                state="elsewhere",
            )
        return self._show(
            "info",
            self.env._(
                "Emboux cannot write to the DNS of %s. Copy the records and enter them there, then "
                "press Check Now.",
                self.domain_name,
            ),
            state="elsewhere",
        )

    def _provider(self):
        """The DNS provider, if it describes itself; None also when it did not answer."""
        try:
            resolver = self.env["emboux.domain"]._dns_resolver()
            return domain_connect.discover(self.domain_id.name, resolver)
        except BackendError as error:
            _logger.info("no Domain Connect for %s: %s", self.domain_id.name, error)
            return None

    def _lacking_policy(self):
        """The records, without ours of DMARC where another policy applies, which it would replace
        or undercut."""
        domain = self.domain_id
        policy = domain.dns_record_ids.filtered(lambda r: r.key == "dmarc")
        if policy.state == "unknown":
            domain._store_check(domain._look_up(FORM_DEADLINE)[domain.id])
        unclear = policy.state == "unknown" or (policy and policy._has_policy())
        return domain.dns_record_ids - policy if unclear else domain.dns_record_ids

    def _provider_link(self, provider):
        """The link to the provider's page, or False when it does not know our template."""
        text = DOMAIN_CONNECT_TEMPLATE.read(self.env)
        key_host = DOMAIN_CONNECT_KEY_HOST.read(self.env)
        private_key = DOMAIN_CONNECT_PRIVATE_KEY.read(self.env)
        signer = key_host and private_key and domain_connect.Signer(key_host, private_key.encode())
        try:
            template = json.loads(text or domain_connect.TEMPLATE_FILE.read_text())
            known = domain_connect.supports(
                provider, provider_id=template["providerId"], service_id=template["serviceId"]
            )
            if not known:
                return False
            records = tuple(record._as_expected() for record in self._lacking_policy())
            return domain_connect.apply_url(
                provider, records, template, signer=signer or None
            )
        except BackendError as error:
            _logger.info("no Domain Connect for %s: %s", self.domain_id.name, error)
        except (ValueError, KeyError, TypeError) as error:
            # the template is not the one of these records: another would be written
            _logger.warning("Domain Connect for %s: %s", self.domain_id.name, error)
        return False
