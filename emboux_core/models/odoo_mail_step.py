# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models
from odoo.exceptions import UserError

from .. import passwords
from ..transactions import own_transaction

#: The steps that each builds on.
NEEDS = {
    "addresses": ("mailbox",), "outgoing": ("mailbox",), "incoming": ("mailbox",),
    "aliases": ("mailbox", "alias_domain"),
}

ALLOWED_DOMAINS = "mail.catchall.domain.allowed"
FIRST = 9  # the priority of Odoo's outgoing server; 10 is what others have by default


class OdooMailStep(models.Model):
    """One thing that Odoo's own mail needs: what was found, what is done, and how to undo it."""

    _name = "emboux.odoo.mail.step"
    _description = "Step to Odoo's Own Mail"
    _order = "sequence, id"
    _rec_name = "kind"

    setup_id = fields.Many2one("emboux.odoo.mail", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="setup_id.company_id")
    sequence = fields.Integer()
    kind = fields.Selection(
        [
            ("mailbox", "Odoo's mailbox"),
            ("addresses", "Bounces, replies, notifications"),
            ("outgoing", "Outgoing mail server"),
            ("alias_domain", "Alias domain"),
            ("allowed", "Allowed domains"),
            ("incoming", "Incoming mail"),
            # last: an address that is taken stops none of the others
            ("aliases", "Addresses of documents"),
        ],
        required=True,
        readonly=True,
    )
    found = fields.Text(readonly=True)
    plan = fields.Text("To Do", readonly=True)
    state = fields.Selection(
        [
            ("planned", "Planned"),
            ("done", "Done"),
            ("kept", "Nothing to Do"),
            ("failed", "Failed"),
            ("undone", "Undone"),
        ],
        default="planned",
        required=True,
        readonly=True,
    )
    outcome = fields.Text(readonly=True)
    what = fields.Text(compute="_compute_what", help="What will be done, or was.")
    before = fields.Json(readonly=True, help="What undo restores.")

    @api.depends("state", "plan", "outcome")
    def _compute_what(self):
        for step in self:
            step.what = step.plan if step.state == "planned" else step.outcome

    def _describe(self):
        for step in self:
            step.found, step.plan = getattr(step, f"_describe_{step.kind}")()

    def _run(self, what):
        """Apply or undo this step, as ``_do``; a refusal is written to it.

        Returns whether it was done.
        """
        try:
            self._do(what)
        except UserError as error:
            with own_transaction(self) as own:
                own.write({"state": "failed", "outcome": str(error)})
            self.env.invalidate_all(flush=False)
            return False
        return True

    def _do(self, what):
        """Apply or undo this step in a transaction of its own, as superuser.

        The caller's transaction writes nothing: it would not get rows that were written here.

        :raises UserError: why it cannot be done.
        """
        self.ensure_one()
        self.env.flush_all()
        try:
            with own_transaction(self) as own:
                state, outcome = getattr(own, f"{what}_{own.kind}")()
                own.write({"state": state, "outcome": outcome})
        finally:
            self.env.invalidate_all(flush=False)

    def _undo(self):
        """Undo this step in the caller's transaction."""
        self.state, self.outcome = getattr(self, f"_undo_{self.kind}")()

    def action_undo(self):
        """Undo this step alone.

        :raises UserError: another one builds on it, or it cannot be undone; it stays as it is.
        """
        self.ensure_one()
        if above := self.setup_id.step_ids.filtered(
            lambda step: step.state == "done" and self.kind in NEEDS.get(step.kind, ())
        ):
            raise UserError(
                self.env._("%(steps)s need it. Undo them first.", steps=above._in_words()))
        self._do("_undo")

    def action_apply(self):
        """Do this step, again or for the first time.

        :raises UserError: one that it builds on is not done.
        """
        self.ensure_one()
        needed = self.setup_id.step_ids.filtered(
            lambda step: step.kind in NEEDS.get(self.kind, ()))
        if missing := needed.filtered(lambda step: step.state not in ("done", "kept")):
            raise UserError(
                self.env._("It builds on %(steps)s. Do that first.", steps=missing._in_words()))
        self._run("_apply")

    def _in_words(self):
        kinds = dict(self._fields["kind"]._description_selection(self.env))
        return ", ".join(f"“{kinds[step.kind]}”" for step in self)

    # -- the mailbox that Odoo logs in with -------------------------------------------------

    def _there(self, address):
        """The mailbox or alias with this address."""
        return self.env["emboux.address"]._holder(self.setup_id.domain_id, address)

    def _describe_mailbox(self):
        address = self.setup_id._address("mailbox_local_part")
        return (
            self.env._("%s exists already.", address) if self._there(address)
            else self.env._("Nobody has the address %s.", address),
            self.env._("Create the mailbox %s, with passwords that only Odoo knows.", address),
        )

    def _apply_mailbox(self):
        setup = self.setup_id
        address = setup._address("mailbox_local_part")
        there = self._there(address)
        if there and there == setup.mailbox_id and not there.active:
            there.active = True
            return "done", self.env._("%s is back, with its mail.", there.display_name)
        if there:
            raise UserError(
                self.env._(
                    "%s exists already, and Odoo needs a mailbox of its own. Choose another name "
                    "for it.",
                    address,
                )
            )
        setup.mailbox_id = self.env["emboux.mailbox"].create(
            {"local_part": setup.mailbox_local_part, "domain_id": setup.domain_id.id,
             "name": setup.company_id.name}
        )
        return "done", self.env._("%s is created.", setup.mailbox_id.display_name)

    def _undo_mailbox(self):
        mailbox = self.setup_id.mailbox_id
        name = mailbox.display_name
        if mailbox.message_total:
            mailbox.active = False
            return "undone", self.env._("%s is archived, with the mail in it.", name)
        mailbox.unlink()
        return "undone", self.env._("%s is deleted.", name)

    # -- addresses that Odoo needs -----------------------------------------------------------

    def _needed(self):
        fields_ = ("bounce_local_part", "catchall_local_part", "from_local_part")
        return [self.setup_id[field] for field in fields_]

    def _describe_addresses(self):
        setup = self.setup_id
        wanted = [f"{part}@{setup.domain_id.name}" for part in self._needed()]
        there = [address for address in wanted if self._there(address)]
        return (
            self.env._("There already: %s.", ", ".join(there)) if there
            else self.env._("None of them is there."),
            self.env._(
                "Deliver %(addresses)s to %(mailbox)s.",
                addresses=", ".join(wanted),
                mailbox=setup._address("mailbox_local_part"),
            ),
        )

    def _apply_addresses(self):
        made = [self._lead_to_odoo(part) for part in self._needed()]
        self.before = {"made": [alias.id for alias in made if alias]}
        return "done", self.env._("They lead to %s.", self.setup_id.mailbox_id.display_name)

    def _lead_to_odoo(self, local_part):
        """Make the address lead to Odoo's mailbox; returns the alias if it was made."""
        setup = self.setup_id
        address, goal = f"{local_part}@{setup.domain_id.name}", setup.mailbox_id.email
        aliases = self.env["emboux.alias"]
        there = self._there(address)
        if not there:
            return aliases.create(
                {"local_part": local_part, "domain_id": setup.domain_id.id, "destinations": goal}
            )
        if there == setup.mailbox_id or (
            there._name == aliases._name and there.active and goal in there._destination_list()
        ):
            return aliases
        raise UserError(
            self.env._(
                "%(address)s exists already and does not lead to %(mailbox)s. Choose another "
                "name, or let it lead there.",
                address=address,
                mailbox=goal,
            )
        )

    def _undo_addresses(self):
        made = (self.before or {}).get("made", [])
        self.env["emboux.alias"].browse(made).exists().unlink()
        return "undone", self.env._("%s aliases are deleted.", len(made))

    # -- sending --------------------------------------------------------------------------

    def _describe_outgoing(self):
        servers = self.env["ir.mail_server"].search([("owner_user_id", "=", False)])
        return (
            self.env._("Outgoing servers: %s.", ", ".join(servers.mapped("name"))) if servers
            else self.env._("No outgoing server."),
            self.env._(
                "Send what comes from %s, and what no other server may send, through its mailbox, "
                "before any other server.",
                self.setup_id.domain_id.display_name,
            ) if self.setup_id.domain_id.backend_id._client().sends_as_domain else self.env._(
                "Send what comes from the addresses of Odoo above, and what no other server may "
                "send, through its mailbox.",
            ),
        )

    def _apply_outgoing(self):
        setup = self.setup_id
        setup.mailbox_id.action_use_as_outgoing_tls()
        setup.server_id = setup.mailbox_id.mail_server_ids[:1]
        # of two that are for the whole domain Odoo takes the one with the lower number
        others = setup._shared_servers() - setup.server_id
        setup.server_id.sequence = min([FIRST, *(s.sequence - 1 for s in others)])
        return "done", self.env._("Tested: the server takes mail from %s.",
                                  setup.server_id.from_filter)

    def _undo_outgoing(self):
        setup = self.setup_id
        setup.server_id.unlink()
        setup.mailbox_id.send_as = "self"
        return "undone", self.env._("The outgoing server is deleted.")

    # -- the alias domain, which says where replies and bounces go --------------------------

    def _describe_alias_domain(self):
        company = self.setup_id.company_id
        now = company.alias_domain_id
        return (
            self.env._("%(company)s uses %(domain)s.", company=company.name, domain=now.name)
            if now else self.env._("%s has no alias domain, so replies are lost.", company.name),
            self.env._(
                "Replies go to %(replies)s, bounces to %(bounces)s; who has no address that may "
                "be sent from is shown as %(sender)s.",
                replies=self.setup_id._address("catchall_local_part"),
                bounces=self.setup_id._address("bounce_local_part"),
                sender=self.setup_id._address("from_local_part"),
            ),
        )

    def _apply_alias_domain(self):
        setup, company = self.setup_id, self.setup_id.company_id
        companies = self.env["res.company"].with_context(active_test=False)
        aliases = self.env["mail.alias"]
        alone = companies.search([("alias_domain_id", "=", False)]) - company
        loose = aliases.search([("alias_domain_id", "=", False)])
        domains = self.env["mail.alias.domain"]
        values = {
            "name": setup.domain_id.name,
            "bounce_alias": setup.bounce_local_part,
            "catchall_alias": setup.catchall_local_part,
            "default_from": setup.from_local_part,
        }
        there = domains.search(
            [("name", "=", values["name"]), ("company_ids", "in", (False, company.id))], limit=1
        )
        before = {
            "company": company.alias_domain_id.id, "made": not there,
            "values": {name: there[name] for name in values},
        }
        former = aliases.search([("alias_domain_id", "=", before["company"])])
        # those of another company's documents stay with it
        moved = (former if before["company"] else loose).filtered(
            lambda alias: alias._emboux_company() in (company, self.env["res.company"])
        )
        if there:
            there.write(values)
        else:
            there = domains.create(values)
            # the first one is given to all companies and aliases: the others' mail is not its
            (loose - moved).alias_domain_id = False
            alone.alias_domain_id = False
        company.alias_domain_id = there
        moved.alias_domain_id = there
        self.before = before
        setup.alias_domain_id = there
        return "done", self.env._("%(company)s uses %(domain)s.", company=company.name,
                                  domain=there.name)

    def _undo_alias_domain(self):
        setup, before = self.setup_id, self.before or {}
        domain, setup.alias_domain_id = setup.alias_domain_id, False
        former = self.env["mail.alias.domain"].browse(before.get("company") or ()).exists()
        setup.company_id.alias_domain_id = former
        aliases = self.env["mail.alias"]
        aliases.search([("alias_domain_id", "=", domain.id)]).alias_domain_id = former
        if before.get("made"):
            domain.unlink()
        elif domain:
            domain.write(before["values"])
        return "undone", self.env._("As it was before.")

    # -- domains for which Odoo takes mail at all --------------------------------------------

    def _allowed(self):
        text = self.env["ir.config_parameter"].get_param(ALLOWED_DOMAINS) or ""
        return [name.strip() for name in text.split(",") if name.strip()]

    def _describe_allowed(self):
        allowed, name = self._allowed(), self.setup_id.domain_id.name
        if not allowed or name in allowed:
            return (self.env._("Odoo takes mail for %s.", name), self.env._("Nothing."))
        return (
            self.env._("Odoo takes mail for %s only.", ", ".join(allowed)),
            self.env._("Add %s.", name),
        )

    def _apply_allowed(self):
        allowed, name = self._allowed(), self.setup_id.domain_id.name
        self.before = {"added": bool(allowed) and name not in allowed}
        if not self.before["added"]:
            return "kept", self.env._("Odoo takes mail for %s.", name)
        self.env["ir.config_parameter"].set_param(
            ALLOWED_DOMAINS, ",".join([*allowed, name])
        )
        return "done", self.env._("%s is added.", name)

    def _undo_allowed(self):
        name = self.setup_id.domain_id.name
        if (self.before or {}).get("added"):
            left = [other for other in self._allowed() if other != name]
            self.env["ir.config_parameter"].set_param(ALLOWED_DOMAINS, ",".join(left))
        return "undone", self.env._("As it was before.")

    # -- addresses of Odoo's own aliases ------------------------------------------------------

    def _own_aliases(self):
        return self.env["mail.alias"].search(
            [("alias_domain_id", "=", self.setup_id.alias_domain_id.id),
             ("alias_name", "!=", False)]
        ) if self.setup_id.alias_domain_id else self.env["mail.alias"]

    def _describe_aliases(self):
        count = self.env["mail.alias"].search_count([("alias_name", "!=", False)])
        return (
            self.env._("%s aliases of teams, projects and other documents.", count),
            self.env._("Give each its address, now and whenever one is made or renamed."),
        )

    def _apply_aliases(self):
        refused = []
        for alias in self._own_aliases().filtered(lambda a: not a.emboux_alias_id):
            try:
                with self.env.cr.savepoint():
                    alias._take_emboux_address(self.setup_id)
            except UserError as error:
                refused.append(str(error))
        if refused:
            raise UserError("\n".join(refused))
        return "done", self.env._("%s addresses lead to Odoo.", len(self._own_aliases()))

    def _undo_aliases(self):
        aliases = self._own_aliases()
        aliases._leave_emboux_address()
        return "undone", self.env._("%s addresses are deleted.", len(aliases))

    # -- receiving ------------------------------------------------------------------------

    def _describe_incoming(self):
        servers = self.env["fetchmail.server"].search([("active", "=", True)])
        address = self.setup_id._address("mailbox_local_part")
        backend = self.setup_id.domain_id.backend_id
        pushed = backend._client().pushes or backend.kind == "mox"
        return (
            self.env._("Incoming servers: %s.", ", ".join(servers.mapped("name"))) if servers
            else self.env._("No incoming server."),
            self.env._("Let the mail server hand over at once what arrives for %s.", address)
            if pushed else self.env._("Fetch what arrives in %s.", address),
        )

    def _apply_incoming(self):
        mailbox = self.setup_id.mailbox_id
        refusal = ""
        start = (
            mailbox._start_push if mailbox.backend_id._client().pushes
            else mailbox._start_hooks if mailbox.on_mox else None
        )
        if start:
            try:
                with self.env.cr.savepoint():
                    start()
            except UserError as error:
                refusal = str(error)
            else:
                return "done", self.env._("The mail server hands mail over as it arrives.")
        self._fetch_by_imap(refusal)
        done = self.env._("Odoo fetches from %s every few minutes.", mailbox.display_name)
        return "done", f"{done} {refusal}".strip()

    def _fetch_by_imap(self, refusal):
        mailbox = self.setup_id.mailbox_id
        if not mailbox.imap_host:
            raise UserError(
                refusal or self.env._("The backend %s has no IMAP host. Set it there first.",
                                      mailbox.backend_id.display_name)
            )
        mailbox._assert_no_catch_all()
        # a platform that knows but one password has been given that of the outgoing server
        has_two = mailbox.backend_id._client().takes_hashes
        password = passwords.generate(30) if has_two else mailbox._odoos_password()
        mailbox.password = password
        self.setup_id.fetchmail_id = self.env["fetchmail.server"].create(
            {
                "name": self.env._("%s (Emboux)", mailbox.display_name),
                "server_type": "imap",
                "server": mailbox.imap_host,
                "port": mailbox.imap_tls_port,
                "is_ssl": True,
                "user": mailbox.email,
                "password": password,
                "state": "done",
            }
        )

    def _undo_incoming(self):
        mailbox = self.setup_id.mailbox_id
        if mailbox.mox_receives:
            mailbox._end_hooks()
        else:
            mailbox._end_push()
        self.setup_id.fetchmail_id.unlink()
        return "undone", self.env._("Mail stays in %s.", mailbox.display_name)
