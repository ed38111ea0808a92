# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import fields, models
from odoo.exceptions import UserError

from .errors import backend_errors
from .mailbox import MEGABYTE
from .operation import Intent

MODELS = {"domain": "emboux.domain", "mailbox": "emboux.mailbox", "alias": "emboux.alias"}


class Drift(models.Model):
    """Where a platform differs from the records: somebody changed something over there, or a call
    was made whose transaction was lost.  People decide which side is right."""

    _name = "emboux.drift"
    _description = "Drift from a Mail Platform"
    _order = "backend_id, kind, name"
    _rec_name = "name"

    backend_id = fields.Many2one("emboux.backend", required=True, index=True, ondelete="cascade")
    # empty for a domain that is only there, on a backend that the companies share
    company_id = fields.Many2one("res.company", index=True, ondelete="cascade")
    kind = fields.Selection(
        [("domain", "Domain"), ("mailbox", "Mailbox"), ("alias", "Alias")], required=True
    )
    name = fields.Char(required=True)
    side = fields.Selection(
        [
            ("only_here", "Only in Odoo"), ("only_there", "Only on the Platform"),
            ("different", "Different"),
        ],
        "Where",
        required=True,
    )
    difference = fields.Text(help="The values here and on the platform.")
    found_at = fields.Datetime(required=True, default=fields.Datetime.now)
    ignored = fields.Boolean(help="Hidden until the difference changes.")

    _one_each = models.UniqueIndex("(backend_id, kind, name)", "This difference is listed already.")

    # -- what people do ------------------------------------------------------------------

    def action_adopt(self):
        """Make the records here be as the platform is now."""
        for drift in self:
            record, there = drift._record(), drift._remote_spec()
            getattr(drift, f"_adopt_{drift.kind}")(record, there)
        return self._drop_resolved()

    def action_push(self):
        """Make the platform be as the records here are now."""
        for drift in self:
            if record := drift._record():
                record.check_access("write")
                record._provision()
            else:
                drift._delete_remote()
        return self._drop_resolved()

    def action_forget(self):
        self._assert_may_decide()
        # as superuser: the report is not for users to write, but for this mark
        self.sudo().ignored = True
        return True

    def action_remember(self):
        self._assert_may_decide()
        # as superuser: as above
        self.sudo().ignored = False
        return True

    def _assert_may_decide(self):
        self.check_access("read")
        self.env["emboux.domain"].check_access("write")

    def _drop_resolved(self):
        self._assert_may_decide()
        # as superuser: the report is not for users to write; what was decided leaves it
        self.sudo().unlink()
        return True

    # -- both sides as they are now, for the report may be an hour old ------------------------

    def _record(self):
        self.ensure_one()
        self.check_access("read")
        return self.env[MODELS[self.kind]]._provision_find(self.backend_id, self.name)

    def _domain(self):
        """The domain here that an address belongs to."""
        name = self.name.rpartition("@")[2]
        domain = self.env["emboux.domain"]._provision_find(self.backend_id, name)
        if not domain:
            raise UserError(self.env._("The domain %s is not here yet. Adopt it first.", name))
        return domain

    def _remote_spec(self):
        """The platform's value object, None if it is not there."""
        backend = self.backend_id
        client = backend._client()
        domain_name = self.name.rpartition("@")[2]
        with backend_errors(self.env, backend.name):
            specs = list(client.domains())
            if self.kind != "domain":
                known = domain_name in (spec.name for spec in specs)
                listed = client.mailboxes if self.kind == "mailbox" else client.aliases
                specs = list(listed(domain_name)) if known else []
        field = {"domain": "name", "mailbox": "email", "alias": "address"}[self.kind]
        return next((spec for spec in specs if getattr(spec, field) == self.name), None)

    def _delete_remote(self):
        model = self.env[MODELS[self.kind]]
        model.check_access("unlink")
        backend = self.backend_id
        company = self.company_id or backend.company_id or self.env.company
        wish = Intent(model._name, 0, self.name, "delete", company.id)
        model._apply_intents(backend, backend._client(), [wish])

    # -- adopt: by the records' own methods; the calls that follow change nothing there --------

    def _adopt_domain(self, domain, there):
        if not there:
            domain.unlink()
            return
        values = {"is_wildcard": there.wildcard}
        parent = domain.parent_id
        if not domain:
            values |= {"name": self.name, "backend_id": self.backend_id.id}
            [linked] = domain._with_parents([dict(values)])
            parent = domain.browse(linked.get("parent_id"))
        if (there.parent or None) != (parent.name or None):
            # before anything is sent to the platform, which is right already
            raise UserError(
                self.env._(
                    "%(name)s is below %(there)s there, and below %(here)s here. That follows "
                    "from the wildcard parents: change these first, or push.",
                    name=self.name,
                    there=there.parent or self.env._("nothing"),
                    here=parent.display_name if parent else self.env._("nothing"),
                )
            )
        if not domain:
            domain.create(values | ({"state": "suspended"} if there.suspended else {}))
            return
        self._write_changes(domain, values)
        if there.suspended and not domain._spec().suspended:
            domain.action_suspend()
        elif not there.suspended:
            self._write_changes(domain, {"active": True})
            domain.action_activate()

    def _adopt_mailbox(self, mailbox, there):
        if not there:
            # as superuser: what was counted follows the platform, where nothing is left of it
            mailbox.sudo().message_total = 0
            mailbox.unlink()
            return
        values = {
            "quota_mb": -(-there.quota // MEGABYTE),
            "send_as": "domain" if there.send_as_domain else "self",
        }
        if there.display_name:
            values["name"] = there.display_name
        rules = mailbox._values_of_rules(there.rules) if there.rules else {}
        if not mailbox:
            values |= {"state": "suspended" if there.suspended else "active"}
            values |= {"local_part": self.name.rpartition("@")[0], "domain_id": self._domain().id}
            mailbox.create(values | rules)
            return
        if there.suspended != mailbox._spec().suspended:
            values |= {"state": "suspended" if there.suspended else "active", "active": True}
        values |= rules
        self._write_changes(mailbox, values)

    def _adopt_alias(self, alias, there):
        if not there:
            alias.unlink()
            return
        values = {"destinations": "\n".join(there.destinations)}
        if there.rules:
            values |= {
                "is_open": there.rules.open, "shows_members": there.rules.shows_members,
                "members_send": there.rules.send_as,
            }
        if alias:
            self._write_changes(alias, values | {"active": True})
            return
        local_part = self.name.rpartition("@")[0]
        values |= {"local_part": local_part, "kind": "forward" if local_part else "catch_all"}
        alias.create(values | {"domain_id": self._domain().id})

    def _write_changes(self, record, values):
        changed = {name: value for name, value in values.items() if record[name] != value}
        if changed:
            record.write(changed)
