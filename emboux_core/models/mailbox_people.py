# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from .. import passwords
from ..transactions import each_in_own_transaction
from .errors import backend_errors


class MailboxPeople(models.Model):
    """A mailbox whose person has left, or has another name.

    Who leaves hands it over: their mail goes to a colleague, for so many days; meanwhile the
    mailbox receives and keeps its mail, and nobody can log in.
    """

    _inherit = "emboux.mailbox"
    _system_fields = frozenset({"handed_over_until"})

    # -- handed over -----------------------------------------------------------------------

    handed_over_until = fields.Date(
        readonly=True, copy=False, index="btree_not_null", tracking=True,
        help="The last day on which a colleague gets this mailbox' mail. Then it is suspended.",
    )

    def _hand_over(self, colleague, until, reply):
        """``colleague``: a mailbox.  ``reply``: to whoever writes; empty for none."""
        self.ensure_one()
        self.write({
            "state": "active", "forward_to": colleague.email, "forward_keep": True,
            "vacation_on": bool(reply), "vacation_text": reply, "vacation_subject": False,
            "vacation_from": False, "vacation_until": until if reply else False,
            # one that nobody knows
            "password": passwords.generate(30),
        })
        if self.state != "active":
            raise UserError(self.env._(
                "%s stays suspended: its operator has suspended it, too.", self.display_name))
        # as superuser: the system keeps track of it, and of what Odoo logs in with
        system = self.sudo()
        system.handed_over_until = until
        if not system.mail_server_ids:
            system.service_password_hash = False

    def _end_handover(self, state="suspended"):
        # as superuser: it ends by itself, or with the user who is back
        for mailbox in self.sudo().filtered("handed_over_until"):
            mailbox.write({
                "state": state, "suspended_with_user": state == "suspended", "forward_to": False,
                "vacation_on": False, "handed_over_until": False,
            })

    def action_end_handover(self):
        self.check_access("write")
        self._end_handover()
        return True

    def action_hand_over(self):
        self.ensure_one()
        return self.env["ir.actions.act_window"]._for_xml_id(
            "emboux_core.action_mailbox_handover"
        ) | {"context": {"default_mailbox_id": self.id}}

    @api.model
    def _cron_end_handovers(self):
        """Suspend those whose last day is over."""
        over = self.search([("handed_over_until", "<", fields.Date.context_today(self))])
        each_in_own_transaction(self.env, [over], lambda mailbox: mailbox._end_handover())

    # -- another address -------------------------------------------------------------------

    def action_change_address(self):
        self.ensure_one()
        return self.env["ir.actions.act_window"]._for_xml_id(
            "emboux_core.action_mailbox_rename"
        ) | {"context": {"default_mailbox_id": self.id}}

    def _change_address(self, local_part, keep=True):
        """Give it another address in its domain.

        ``keep``: whether mail to the former one arrives here too, by an alias.
        :raises UserError: somebody has that address, or Odoo's own mail needs the former one.
        """
        self.ensure_one()
        self.check_access("write")
        if not self.can_be_renamed:
            raise UserError(self.env._(
                "%s is on a platform where the address of a mailbox cannot be changed.",
                self.display_name))
        self._assert_not_odoos_own()
        if self.sync_state != "done":
            raise UserError(self.env._(
                "%s waits for its platform. Try again when that is done.", self.display_name))
        former, local_part = self.email, self._normalise_local_part(local_part or "")
        address = f"{local_part}@{self.domain_id.name}"
        if address == former:
            return
        old_alias = self._alias_in_the_way(address)
        self._rename_there(former, address, keep)
        old_alias.unlink()
        # who refers to it, before nobody has it any more
        aliases, forwards = self._aliases_to(former), self._forwards_to(former)
        self._set_local_part(local_part)
        self._on_renamed(former)
        if keep:
            self.env["emboux.alias"].create({
                "local_part": former.partition("@")[0], "domain_id": self.domain_id.id,
                "destinations": address,
            })
        for alias in aliases:
            alias.destinations = _renamed(alias.destinations, former, address)
        for mailbox in forwards:
            mailbox.forward_to = _renamed(mailbox.forward_to, former, address)
        self._tell_odoo(former)

    def _rename_there(self, former, address, keep):
        """Let its platform rename it, before anything is written here: if what follows fails, the
        next attempt finds it done there, and goes on."""
        # as superuser: who manages mail need not see the backend
        backend = self.sudo().backend_id
        if not backend.is_remote:
            return
        self.env.flush_all()  # let the database refuse first
        with backend_errors(self.env, backend.name):
            backend._client().rename_mailbox(former, address, keep)

    def _on_renamed(self, former):
        """It has another address now; other add-ons extend this."""

    def _assert_not_odoos_own(self):
        # as superuser: how Odoo's mail is set up is for administrators to see
        setups = self.env["emboux.odoo.mail"].sudo()
        if setups.search_count([("mailbox_id", "=", self.id)], limit=1):
            raise UserError(self.env._(
                "Odoo's own mail goes through %s, whose address stays as it is.",
                self.display_name))

    def _alias_in_the_way(self, address):
        """One with this address that leads here alone, as after an earlier change; or none.

        :raises UserError: it is anybody else's.
        """
        holder = self.env["emboux.address"]._holder(self.domain_id, address)
        if not holder:
            return self.env["emboux.alias"]
        if holder._name != "emboux.alias" or holder._destination_list() != (self.email,):
            raise UserError(self.env._(
                "%s exists already, as a mailbox or as an alias (perhaps archived).",
                holder.display_name))
        return holder.with_env(self.env)

    def _aliases_to(self, address):
        # as superuser: its owner's aliases, as when it is deleted
        aliases = self.env["emboux.alias"].sudo().with_context(active_test=False)
        return aliases.search(self._same_owner() & aliases._delivering_to([address]))

    def _forwards_to(self, address):
        # as superuser: see above
        found = self.sudo().with_context(active_test=False).search(
            self._same_owner() & Domain("forward_to", "like", f"@{self.domain_id.name}"))
        return found.filtered(
            lambda mailbox: _renamed(mailbox.forward_to, address, "") != mailbox.forward_to)

    def _same_owner(self):
        # as superuser: only whose the domain is, so that no two customers' addresses mix
        owners = self.domain_id.sudo().partner_id.ids or [False]
        return (Domain("backend_id", "in", self.backend_id.ids)
                & Domain("domain_id.partner_id", "in", owners))

    def _tell_odoo(self, former):
        """Where this database has the address: its user's email, and what Odoo logs in with."""
        # as superuser: who renames a mailbox need not manage users or mail servers
        user = self.sudo().user_id
        if user.email_normalized == former:
            user.email = self.email
        for server in self._odoos_servers(former):
            server.smtp_user = self.email
            if server.from_filter == former:
                server.from_filter = self.email


def _renamed(addresses, former, address):
    """Addresses, one on each line, of which one or one with a tag is called otherwise now."""
    local, _at, domain = former.partition("@")

    def each(line):
        name, _at, where = line.partition("@")
        base, plus, tag = name.partition("+")
        if (base, where) != (local, domain):
            return line
        return f"{address.partition('@')[0]}{plus}{tag}@{domain}"

    return "\n".join(map(each, addresses.split("\n")))
