# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import re

from odoo import api, models
from odoo.tools import SQL

from odoo.addons.emboux_core.models.alias import DESTINATIONS_SQL

from .customer import QuotaReached


class AliasTenancy(models.Model):
    """What a customer may set of an alias, how many deliver to a mailbox, and how far they lead."""

    _name = "emboux.alias"
    _inherit = ["emboux.alias", "emboux.bulk.mixin"]
    _customer_fields = frozenset({"domain_id", "kind", "local_part", "destinations"})
    _audited_fields = ("email", "destinations", "active")

    def _on_created(self):
        super()._on_created()
        self._assert_within_limits()
        self._assert_reach()

    def _on_written(self, vals, before):
        super()._on_written(vals, before)
        # hosts send all their aliases again and again: what stays the same needs no look
        led = self.filtered(lambda a: before[a][0] != a.destinations)
        if "destinations" in vals:
            self._assert_within_limits()
            led._assert_reach()

    # -- aliases per mailbox: how many deliver to it -----------------------------------

    def _assert_within_limits(self):
        # as superuser: who writes aliases need not see the contact whose limits these are
        for partner, aliases in self.grouped(lambda a: a.domain_id.sudo().partner_id).items():
            limit = self.env["emboux.customer"]._for_partner(partner).alias_limit if partner else 0
            if not limit:
                continue
            # a tag after + reaches the same mailbox
            wanted = {re.sub("[+][^@]*@", "@", address)
                      for alias in aliases for address in alias._destination_list()}
            # as superuser: a mailbox of the customer's that this key does not see counts too
            boxes = self.env["emboux.mailbox"].sudo().search(
                [("email", "in", list(wanted)), ("domain_id.partner_id", "=", partner.id)]
            )
            boxes.domain_id._force_conflict()
            self.flush_model(["destinations"])
            for box in boxes:
                [[count]] = self.env.execute_query(
                    SQL(
                        """SELECT count(*) FROM emboux_alias a
                             JOIN emboux_domain d ON d.id = a.domain_id
                            WHERE d.partner_id = %s AND %s @> ARRAY[%s]""",
                        partner.id,
                        SQL(DESTINATIONS_SQL, SQL.identifier("a", "destinations")),
                        box.email,
                    )
                )
                if count > limit:
                    raise QuotaReached(
                        self.env._(
                            "The limit of %(limit)s aliases for %(mailbox)s is reached. Delete "
                            "one, or ask for more.",
                            limit=limit,
                            mailbox=box.display_name,
                        )
                    )

    # -- many at once ------------------------------------------------------------------

    @api.model
    @api.private
    def _upsert_each(self, rows):
        """Make or change aliases; number to (alias, whether it is new), and the refusals."""
        names = {row["domain_id"] for row in rows.values()}
        found = self.search([("domain_id", "in", list(names))]) if rows else self
        present = {(alias.domain_id.id, alias.local_part or ""): alias for alias in found}
        done, refused = {}, {}
        while rows:
            new, changed, later, first = {}, {}, {}, set()
            for number, row in rows.items():
                address = (row["domain_id"], (row["local_part"] or "").lower())
                if alias := present.get(address):
                    changed[number] = (alias, row)
                elif address in first:  # a duplicate address finds the first one
                    later[number] = row
                else:
                    first.add(address)
                    new[number] = row
            made, refused_now = self._each(new, self.create)
            refused |= refused_now
            for number, alias in made.items():
                done[number] = (alias, True)
                present[alias.domain_id.id, alias.local_part or ""] = alias
            again = {number: (alias, row["destinations"])
                     for number, (alias, row) in changed.items()
                     if alias.destinations != row["destinations"]}
            _written, refused_now = self._each(again, self._set_destinations)
            refused |= refused_now
            done |= {number: (alias, False) for number, (alias, _row) in changed.items()
                     if number not in refused_now}
            rows = later
        return done, refused

    @api.model
    def _set_destinations(self, pairs):
        """Write each alias' own destinations; common work is done once."""
        for alias, destinations in pairs:
            alias.destinations = destinations
        return [alias for alias, _destinations in pairs]
