# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import hashlib
import json

from odoo import api, fields, models
from odoo.exceptions import AccessError

from odoo.addons.emboux_core import addresses
from odoo.addons.emboux_core.models.errors import plain_errors
from odoo.addons.emboux_core.models.fields import BigInteger
from odoo.addons.emboux_core.transactions import delete_in_batches

from ..settings import SUPPRESSION_BLACKLIST

#: The stronger reason stays: late reports change nothing.
STRENGTH = {"manual": 0, "bounce": 1, "unsubscribe": 2, "complaint": 3}
NO_MIRROR = "emboux_no_mirror"  # in the context: this change came from Odoo's blacklist


def hash_of(email):
    """The number by which an address is looked up: the first 64 bits of its SHA-256, signed.

    In SQL: ``('x' || left(encode(sha256(convert_to(email, 'UTF8')), 'hex'), 16))::bit(64)::bigint``

    :param email: as of ``addresses.normalise_reported``.
    """
    return int.from_bytes(hashlib.sha256(email.encode()).digest()[:8], "big", signed=True)


def looked_up(email):
    """The addresses whose entry stops mail to this one: it, and it without its +tag."""
    return tuple(dict.fromkeys((email, addresses.reported_without_tag(email))))


class Hash(BigInteger):
    """64 bits, each of which counts: Odoo would make a float of it before it is written."""

    def convert_to_write(self, value, record):
        return value


class Suppression(models.Model):
    """A recipient that gets no mail: from one customer, or from anybody.

    In the spelling of ``addresses.normalise_reported``: whatever was sent to can be suppressed.
    """

    _name = "emboux.suppression"
    _description = "Suppressed Recipient"
    _inherit = ["emboux.audited.mixin"]
    _order = "email, id"
    _rec_name = "email"
    _audited_fields = ("email", "partner_id", "reason", "source", "detail", "expires_at")
    _max_line_length = 1000  # as long as an address or a server's answer is

    email = fields.Char("Recipient", required=True)
    hash = Hash(
        compute="_compute_hash", store=True, precompute=True, required=True,
        help="The first 64 bits of the address's SHA-256, signed.",
    )  # fmt: skip
    partner_id = fields.Many2one(
        "res.partner", "Customer", index="btree_not_null", ondelete="cascade",
        help="Customer whose mail is not delivered to the recipient. Empty: everybody.",
    )  # fmt: skip
    company_id = fields.Many2one(
        "res.company", compute="_compute_company_id", store=True, precompute=True, index=True
    )
    reason = fields.Selection(
        [
            ("bounce", "Permanent Bounce"), ("complaint", "Complaint"),
            ("unsubscribe", "Unsubscribed"), ("manual", "Entered Manually"),
        ],
        required=True,
        default="manual",
    )
    source = fields.Char(help="What reported it.")
    detail = fields.Char("Details", help="What the recipient's server or the provider said.")
    expires_at = fields.Datetime("Until", help="Empty means permanently.")
    in_force = fields.Boolean(compute="_compute_in_force")

    _email_unique = models.UniqueIndex(
        "(email, coalesce(partner_id, 0))", "This recipient is suppressed already."
    )
    _hash_index = models.Index("(hash)")

    @api.depends("email")
    def _compute_hash(self):
        for entry in self:
            entry.hash = hash_of(entry.email) if entry.email else 0

    @api.depends("partner_id")
    def _compute_company_id(self):
        """Of a customer's entry the company that works with it; an entry for all is nobody's."""
        for entry in self:
            if not entry.partner_id:
                entry.company_id = False
            else:
                entry.company_id = (
                    entry.company_id or entry.partner_id.company_id or self.env.company
                )

    @api.depends("expires_at")
    def _compute_in_force(self):
        now = fields.Datetime.now()
        for entry in self:
            entry.in_force = not entry.expires_at or entry.expires_at > now

    # -- made, changed, removed ------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        vals_list = [self._normalised(vals) for vals in vals_list]
        if not all(vals.get("partner_id") for vals in vals_list):
            self._assert_operator()
        entries = super().create(vals_list)
        entries._to_blacklist()
        return entries

    def write(self, vals):
        if "partner_id" in vals and not vals["partner_id"]:
            self._assert_operator()
        vals = self._normalised(vals) if "email" in vals else vals
        mirrored = {"email", "partner_id", "expires_at"} & set(vals)
        if mirrored:
            before = self._on_blacklist().mapped("email")
        done = super().write(vals)
        if mirrored:
            after = self._on_blacklist().mapped("email")
            self._off_blacklist([email for email in before if email not in set(after)])
            self._to_blacklist()
        return done

    def unlink(self):
        if not all(entry.partner_id for entry in self):
            self._assert_operator()
        emails = self._on_blacklist().mapped("email")
        done = super().unlink()
        self._off_blacklist(emails)
        return done

    def _normalised(self, vals):
        with plain_errors():
            email = addresses.normalise_reported(vals.get("email") or "")
        return {**vals, "email": email}

    def _assert_operator(self):
        """Record rules say it too; this says it in words."""
        if not self.env.su and not self.env.user.has_group("emboux_core.group_admin"):
            raise AccessError(
                self.env._(
                    "Only an administrator of Email Hosting can change entries for everybody: "
                    "choose a customer."
                )
            )

    def _load_records_create(self, vals_list):
        """An import: duplicates of the list or within the file are one entry, no error.

        An entry's expiry is removed, unless the file has one.
        """
        vals_list = [self._normalised(vals) for vals in vals_list]
        places = {}
        for vals in vals_list:
            places.setdefault((vals["email"], vals.get("partner_id") or False), vals)
        there = {
            (entry.email, entry.partner_id.id): entry
            for entry in self.search([("email", "in", [email for email, _partner in places])])
        }
        self.browse(
            entry.id for place, entry in there.items()
            if place in places and entry.expires_at and not places[place].get("expires_at")
        ).write({"expires_at": False})  # fmt: skip
        new = [place for place in places if place not in there]
        made = super()._load_records_create([places[place] for place in new])
        there |= dict(zip(new, made, strict=True))
        return self.browse(
            there[vals["email"], vals.get("partner_id") or False].id for vals in vals_list
        )

    @api.private
    def _suppress(self, email, partner, reason, source, detail):
        """Put a normalised address on the list, or make its entry stronger; returns the entry.

        In one statement: two providers may say it at once.
        """
        self.flush_model()
        self.env.cr.execute(
            """INSERT INTO emboux_suppression AS s
                      (email, hash, partner_id, company_id, reason, source, detail,
                       create_uid, write_uid, create_date, write_date)
               VALUES (%(email)s, %(hash)s, %(partner)s, %(company)s, %(reason)s, %(source)s,
                       %(detail)s, %(uid)s, %(uid)s, %(now)s, %(now)s)
                   ON CONFLICT (email, coalesce(partner_id, 0)) DO UPDATE
                  SET reason = excluded.reason, source = excluded.source,
                      detail = excluded.detail, expires_at = NULL,
                      write_uid = excluded.write_uid, write_date = excluded.write_date
                WHERE s.expires_at IS NOT NULL
                   OR (%(strength)s::jsonb ->> s.reason)::int
                      < (%(strength)s::jsonb ->> excluded.reason)::int
            RETURNING id""",
            {
                "email": email,
                "hash": hash_of(email),
                "partner": partner.id or None,
                "company": (partner.company_id or self.env.company).id if partner else None,
                "reason": reason,
                "source": source,
                "detail": detail or None,
                "uid": self.env.uid,
                "now": fields.Datetime.now(),
                "strength": json.dumps(STRENGTH),
            },
        )
        changed = self.env.cr.fetchone()
        self.invalidate_model()
        if not changed:
            return self.search([("email", "=", email), ("partner_id", "=", partner.id)])
        entry = self.browse(changed[0])
        entry._to_blacklist()
        return entry

    # -- asked -----------------------------------------------------------------------------

    @api.model
    @api.private
    def _find(self, email, partner=None):
        """The entry that stops mail to a normalised address, or none.

        :param partner: only what holds for this customer's mail: their own entries and those for
            everybody; None is for the operator, whom any entry interests.
        """
        emails = looked_up(email)
        wanted = [("hash", "in", [hash_of(e) for e in emails]), ("email", "in", emails),
                  "|", ("expires_at", "=", False), ("expires_at", ">", fields.Datetime.now())]
        if partner is not None:
            wanted.append(("partner_id", "in", [False, partner.id]))
        # as superuser: the list is the operator's, the answer for one address is for all
        found = self.sudo().search(wanted)
        # the address itself before its base, what holds for all before what holds for one
        return found.sorted(lambda s: (s.email != email, bool(s.partner_id), s.id))[:1]

    def action_remove(self):
        """The recipients get mail again; asked about by the view before."""
        self.unlink()
        return {"type": "ir.actions.client", "tag": "soft_reload"}

    # -- Odoo's blacklist --------------------------------------------------------------------

    def _on_blacklist(self):
        """Those that Odoo's blacklist can say: for all, and without an end."""
        return self.filtered(lambda s: not s.partner_id and not s.expires_at)

    def _mirrors(self):
        return not self.env.context.get(NO_MIRROR) and SUPPRESSION_BLACKLIST.read(self.env)

    def _to_blacklist(self):
        if self._mirrors() and (entries := self._on_blacklist()):
            self._blacklist()._emboux_blacklist(entries.mapped("email"))

    def _off_blacklist(self, emails):
        if emails and self._mirrors():
            self._blacklist()._emboux_unblacklist(emails)

    def _blacklist(self):
        # as superuser: it is kept along with this list, by whoever may change this one
        return self.env["mail.blacklist"].sudo().with_context(**{NO_MIRROR: True})

    @api.private
    def _from_blacklist(self, emails):
        """Suppress, for everybody and for good, what Odoo's blacklist has got."""
        wanted = _normalised_ones(emails)
        there = self.search([("email", "in", wanted), ("partner_id", "=", False)])
        there.filtered("expires_at").expires_at = False
        known = set(there.mapped("email"))
        source = self.env._("Odoo's blacklist")
        self.create(
            [{"email": email, "source": source} for email in wanted if email not in known]
        )

    @api.private
    def _from_blacklist_removed(self, emails):
        wanted = _normalised_ones(emails)
        self.search([("email", "in", wanted), ("partner_id", "=", False)]).unlink()

    @api.autovacuum
    def _gc_expired(self):
        """Entries that expired a month ago are deleted."""
        old = [("expires_at", "<", fields.Datetime.subtract(fields.Datetime.now(), days=30))]
        return delete_in_batches(self, old)


def _normalised_ones(emails):
    """Without duplicates; what is not an address is left out."""
    found = {}
    for email in emails:
        try:
            found[addresses.normalise_reported(email or "")] = None
        except addresses.AddressError:
            continue
    return list(found)
