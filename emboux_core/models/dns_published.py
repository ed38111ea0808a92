# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from typing import NamedTuple

from odoo import api, fields, models
from odoo.exceptions import UserError

from .. import faults
from ..dns import publish
from ..dns.publish import OwnedRecord
from ..net.errors import Refused, Unreachable
from ..transactions import advisory_lock, in_own_transaction


class Place(NamedTuple):
    """Whose rows: of a name on a server, and of a domain, or 0 if the domain is deleted."""

    server_id: int
    name: str
    domain_id: int
    company_id: int

    def owner(self):
        return {"domain_id": self.domain_id or False, "company_id": self.company_id}

    def rows(self):
        return [("server_id", "=", self.server_id), ("domain_name", "=", self.name)]


class DnsPublished(models.Model):
    """A record that Emboux made in a zone, or may have made if the process died in between.

    Rows are written in transactions of their own, before the zone is changed and after, so that no
    record in a zone is ever unaccounted for.  Nothing else in a zone is ever replaced or removed.
    """

    _name = "emboux.dns.published"
    _description = "DNS Record Published by Emboux"
    _order = "domain_name, name, record_type, id"
    _rec_name = "name"

    server_id = fields.Many2one("emboux.dns.server", required=True, ondelete="restrict")
    domain_name = fields.Char(
        "Domain", required=True, help="A-label; kept after the domain is deleted."
    )
    domain_id = fields.Many2one(
        "emboux.domain", "Email Domain", index="btree_not_null", ondelete="set null"
    )
    company_id = fields.Many2one("res.company", required=True, index=True, ondelete="restrict")
    key = fields.Char(required=True)
    record_type = fields.Char("Type", required=True)
    name = fields.Char(required=True)
    value = fields.Text(required=True)
    state = fields.Selection(
        [("claimed", "Being Created"), ("published", "Published")],
        required=True,
        default="claimed",
        help="Being created: whether it is in the DNS is checked later.",
    )
    # of records to be removed, because their domain is deleted
    attempts = fields.Integer()
    error = fields.Char("Last Response")
    next_try = fields.Datetime("Next Attempt")

    # md5: a value may be longer than what an index takes
    _one_each = models.UniqueIndex(
        "(server_id, domain_name, key, record_type, name, md5(value))"
    )
    _gone = models.Index("(server_id, domain_name) WHERE domain_id IS NULL")

    def _domain_lock(self, server, name):
        """Be the only one who changes a domain's records on a server; see ``advisory_lock``."""
        return advisory_lock(self.env, f"{self._name} {server.id} {name}")

    # -- publishing ----------------------------------------------------------------------------

    @api.model
    def _plan(self, server, name, records):
        """What publishing would do to the zone, as ``dns.publish.Plan``.

        :raises BackendError: the server did not say.  :raises ValueError: a record cannot stand
            in a zone.
        """
        mine = [("server_id", "=", server.id), ("domain_name", "=", name)]
        owned = in_own_transaction(self, "_read_rows", mine)
        resolver = self.env["emboux.domain"]._dns_resolver()
        return publish.plan(name, records, server._primary(), owned, resolver)

    @api.model
    def _apply(self, server, domain, plan, confirm_merge):
        """Do what the plan says; returns a ``Result``.  The caller holds the lock.

        :raises ZoneChanged, BackendError: as ``dns.publish.apply``.
        """
        place = Place(server.id, domain.name, domain.id, domain.company_id.id)
        in_own_transaction(self, "_claim", place, plan.claim(confirm_merge))
        faults.point("publish:claimed")
        try:
            result = publish.apply(plan, server._primary(), confirm_merge)
        except (Refused, Unreachable):
            # nothing was changed: what is in the zone is what was there before
            held = tuple(entry for step in plan.steps for entry in step.held)
            in_own_transaction(self, "_settle", place, held)
            raise
        faults.point("publish:sent")
        in_own_transaction(self, "_settle", place, result.published)
        return result

    def _read_rows(self, domain):
        return tuple(row._as_published() for row in self.search(domain))

    def _as_published(self):
        return OwnedRecord(self.key, self.record_type, self.name, self.value)

    def _claim(self, place, entries):
        """Write down what may be in the zone from now on, beside what was there."""
        rows = self.search(place.rows())
        if not self._domain_of(place):
            raise UserError(self.env._("%s is not here any more.", place.name))
        # whoever publishes under the name takes over all that was made for it
        rows.filtered(lambda row: row.domain_id.id != place.domain_id).write(place.owner())
        self._add(place, entries)

    def _settle(self, place, entries):
        """Write down what is in the zone, of the domain's or of those whose domain is gone."""
        owner = self._domain_of(place).id
        rows = self.search([*place.rows(), ("domain_id", "=", owner)])
        there = rows.filtered(lambda row: row._as_published() in entries)
        (rows - there).unlink()
        # a value may be another text in the zone than in the claim
        there |= self._add(place, entries)
        there.write({"state": "published", "attempts": 0, "error": False, "next_try": False})

    def _add(self, place, entries):
        owner = self._domain_of(place).id
        known = {row._as_published() for row in self.search(place.rows())}
        return self.create(
            [
                {
                    "server_id": place.server_id, "domain_name": place.name, "domain_id": owner,
                    "company_id": place.company_id, "key": entry.key,
                    "record_type": entry.record_type, "name": entry.name, "value": entry.value,
                }
                for entry in dict.fromkeys(entries) if entry not in known
            ]
        )  # fmt: skip

    def _domain_of(self, place):
        """The domain, if it is here still; it may be deleted while its zone is changed."""
        return self.env["emboux.domain"].browse(place.domain_id or ()).exists()

    def _reclaim(self, domains):
        """Rows of a deleted domain are its again when it is added again."""
        # as superuser: rows are not for users to write
        gone = self.sudo().search(
            [("domain_name", "in", domains.mapped("name")), ("domain_id", "=", False)]
        )
        for domain in domains if gone else ():
            rows = gone.filtered(
                lambda row, domain=domain: row.domain_name == domain.name
                and row.server_id.company_id in (domain.company_id, row.company_id.browse())
            )
            # somebody may just be taking them out: whether they are there will be looked up
            rows.write(
                {"domain_id": domain.id, "company_id": domain.company_id.id, "state": "claimed",
                 "attempts": 0, "error": False, "next_try": False}
            )  # fmt: skip
