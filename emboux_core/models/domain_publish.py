from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import ValidationError

SOON = timedelta(seconds=30)
AT_ONCE = 3  # names that are taken out of the DNS while their deletion waits


class DomainPublish(models.Model):
    """Publishing a domain's records on a DNS server, and taking them out when it goes."""

    _inherit = "emboux.domain"

    dns_server_id = fields.Many2one(
        "emboux.dns.server",
        "DNS Server",
        compute="_compute_dns_server",
        store=True,
        readonly=False,
        precompute=True,
        copy=False,
        check_company=True,
        index="btree_not_null",
        tracking=True,
        help="Where Publish writes the domain's records.",
    )
    # as superuser: what the domain has in the DNS, whichever server it is on
    is_published = fields.Boolean(compute="_compute_is_published", compute_sudo=True)

    @api.depends("name", "company_id")
    def _compute_dns_server(self):
        """Proposed is the server whose zone the name lies in; the manager may choose another."""
        # as superuser: a customer, who may add domains, sees no servers
        servers = self.env["emboux.dns.server"].sudo().search([("zones", "!=", False)])
        for domain in self:
            if domain.name and not domain.dns_server_id:
                found = servers._for_domain(domain.name, domain.company_id)
                domain.dns_server_id = found.sudo(False)

    def _compute_is_published(self):
        groups = self.env["emboux.dns.published"]._read_group(
            [("domain_id", "in", self.ids)], ["domain_id"]
        )
        published = {domain.id for [domain] in groups}
        for domain in self:
            domain.is_published = domain.id in published

    @api.constrains("dns_server_id")
    def _check_dns_server(self):
        for domain in self:
            # as superuser: a customer, who may add domains, sees no servers
            server = domain.sudo().dns_server_id
            if server.zones and not server._covers(domain.name):
                raise ValidationError(
                    self.env._(
                        "%(domain)s lies in none of the zones of %(server)s: %(zones)s.",
                        domain=domain.display_name,
                        server=server.name,
                        zones=", ".join(server._zone_names()),
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        domains = super().create(vals_list)
        self.env["emboux.dns.published"]._take_over(domains)
        return domains

    def unlink(self):
        # as superuser: rows are for managers to read, customers delete their domains too
        published = self.env["emboux.dns.published"].sudo()
        places = [
            (server.id, name)
            for server, name in published._read_group(
                [("domain_id", "in", self.ids)], ["server_id", "domain_name"]
            )
        ]
        done = super().unlink()
        if places:
            # what the hook below does not get done, or does not live to do; as superuser: the
            # cron is nobody's to read
            self.sudo().env.ref("emboux_core.ir_cron_withdraw")._trigger(
                fields.Datetime.now() + SOON
            )
            self.env.cr.postcommit.add(lambda: published._withdraw_at_once(places[:AT_ONCE]))
        return done

    def action_publish(self):
        """Show what publishing would do to the zone; the dialog then does it."""
        return self._open_publishing("publish")

    def action_withdraw(self):
        """Show what taking Emboux' records out of the zone would do."""
        return self._open_publishing("withdraw")

    def _open_publishing(self, mode):
        self.ensure_one()
        self.check_access("write")
        if not self.dns_server_id:
            self._compute_dns_server()  # one may have been set up since the domain was added
        wizard = self.env["emboux.publish"].create({"domain_id": self.id, "mode": mode})
        return wizard._look()
