# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta
from math import ceil

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.base.models.ir_mail_server import MailDeliveryException

from ..transactions import each_in_own_transaction, own_transaction
from .mail_mail import BATCH

FETCH_AFTER = (2, 10, 60)  # seconds: when the test mail is looked for
TEST_PATIENCE = timedelta(minutes=5)  # for the test mail to come back

SHOWN = 10  # of the addresses of other domains

#: Where the forms are that people know.
ACTIONS = {
    "res.users": "base.action_res_users",
    "res.company": "base.action_res_company_form",
    "mail.template": "mail.action_email_template_tree_all",
    "ir.mail_server": "base.action_ir_mail_server_list",
}

#: Local parts by Odoo's own convention, and the ones taken where somebody else has these.
LOCAL_PARTS = {
    "mailbox_local_part": ("odoo", "odoo-mail"),
    "bounce_local_part": ("bounce", "odoo-bounce"),
    "catchall_local_part": ("catchall", "odoo-catchall"),
    "from_local_part": ("notifications", "odoo-notifications"),
}


class OdooMail(models.Model):
    """A company's Odoo sends and receives by one of its domains.

    What that takes is a list of steps, shown before anything is done, each of which can be undone.
    How Odoo chooses a sender and a server, which the steps rely on, is in its own source:
    ``ir.mail_server._find_mail_server`` and ``mail.thread.message_route``.
    """

    _name = "emboux.odoo.mail"
    _description = "Odoo's Own Mail"
    _inherit = ["emboux.thread.mixin"]
    _rec_name = "company_id"
    _order = "company_id"
    _check_company_auto = True

    company_id = fields.Many2one("res.company", required=True, readonly=True, ondelete="cascade")
    domain_id = fields.Many2one(
        "emboux.domain", "Domain", required=True, readonly=True, ondelete="restrict",
        index=True, check_company=True,
    )
    state = fields.Selection(
        [("planned", "Not Set Up"), ("partly", "Partly Set Up"), ("done", "In Use")],
        compute="_compute_state", store=True,
    )
    step_ids = fields.One2many("emboux.odoo.mail.step", "setup_id", "Steps")
    mailbox_local_part = fields.Char("Mailbox", required=True)
    bounce_local_part = fields.Char("Bounces", required=True)
    catchall_local_part = fields.Char("Replies", required=True)
    from_local_part = fields.Char("Sender of Notifications", required=True)
    mailbox_id = fields.Many2one("emboux.mailbox", "Odoo's Mailbox", readonly=True)
    alias_domain_id = fields.Many2one("mail.alias.domain", "Alias Domain", readonly=True,
                                      index="btree_not_null")
    server_id = fields.Many2one("ir.mail_server", "Outgoing Server", readonly=True)
    fetchmail_id = fields.Many2one("fetchmail.server", "Incoming Server", readonly=True)
    test_state = fields.Selection(
        [("sent", "On its way"), ("arrived", "Arrived"), ("failed", "Failed")], "Test",
        readonly=True,
    )
    test_outcome = fields.Char(readonly=True)
    test_at = fields.Datetime(readonly=True)
    test_message_id = fields.Char(readonly=True)
    address_pattern = fields.Selection(
        [("first.last", "ann.lee"), ("first", "ann"), ("flast", "alee"), ("last", "lee")],
        "New People's Addresses", default="first.last", required=True,
        help="What is proposed when somebody gets a mailbox.",
    )
    mailbox_for_new_users = fields.Boolean(
        "Create a mailbox for each new user",
        help="Also for those who are invited. They set its password in their preferences; their "
        "login, and the address that the invitation goes to, stay as they are.",
    )
    outside_count = fields.Integer(compute="_compute_outside")
    outside_note = fields.Html(compute="_compute_outside")

    _company_unique = models.UniqueIndex(
        "(company_id)", "This company's mail is set up already, perhaps by another domain."
    )

    @api.depends("step_ids.state")
    def _compute_state(self):
        for setup in self:
            states = set(setup.step_ids.mapped("state"))
            setup.state = (
                "planned" if "done" not in states
                else "done" if states <= {"done", "kept"} else "partly"
            )

    def _make_mailboxes(self, users):
        """One for each of these new users.  Where none can be made, the chatter says why."""
        for user in users:
            # as superuser: who makes users need not manage mail
            wizard = self.env["emboux.user.mailbox"].sudo().create(
                {"user_id": user.id, "domain_id": self.domain_id.id, "use_as_email": False})
            try:
                with self.env.cr.savepoint():
                    wizard._make()
            except UserError as error:
                self.message_post(body=self.env._(
                    "%(user)s has no mailbox: %(reason)s", user=user.name, reason=error))

    @api.model
    def _of(self, company):
        """The setup of this company, or none.

        As superuser: how a company sends is asked by who may not read it, too.
        """
        return self.sudo().search([("company_id", "=", company.id)])

    @api.model
    def _room_note(self, count):
        """How long it takes to send this many emails by the company's domain, as a sentence.

        False where they may all leave now, or nobody knows of a limit.
        """
        mailbox = self._of(self.env.company).mailbox_id
        # fewer ask nobody when they leave, either
        if count < BATCH or not mailbox:
            return False
        room = mailbox._room_to_send()
        if room is None or count <= room.left:
            return False
        if not room.per_day:
            return self.env._(
                "%(domain)s may send %(left)s more of these %(count)s emails now. The others wait "
                "in the queue and leave by themselves when there is room again.",
                domain=mailbox.domain_id.display_name, left=room.left, count=count)
        return self.env._(
            "These %(count)s emails take about %(days)s days: %(domain)s may send %(left)s more "
            "now, and %(per_day)s a day. The others wait in the queue and leave by themselves.",
            count=count, days=max(2, ceil(count / room.per_day)), left=room.left,
            per_day=room.per_day, domain=mailbox.domain_id.display_name)

    @api.model
    def _start(self, domain):
        """The setup of the domain's company, planned anew unless it is in use.

        :raises UserError: the domain is a customer's, or the company uses another one.
        """
        if domain.partner_id:
            raise UserError(
                self.env._(
                    "%(domain)s belongs to %(owner)s. Use a domain of your own for Odoo's mail.",
                    domain=domain.display_name,
                    owner=domain.partner_id.display_name,
                )
            )
        setup = self.search([("company_id", "=", domain.company_id.id)])
        if setup and setup.domain_id != domain:
            if setup.state != "planned":
                raise UserError(
                    self.env._(
                        "%(company)s sends by %(domain)s. Undo that first.",
                        company=setup.company_id.display_name,
                        domain=setup.domain_id.display_name,
                    )
                )
            setup.unlink()
            setup = self
        if not setup:
            setup = self.create(
                {"company_id": domain.company_id.id, "domain_id": domain.id,
                 **self._free_local_parts(domain)}
            )
        if setup.state == "planned":
            setup._plan()
        return setup

    @api.model
    def _free_local_parts(self, domain):
        """Names for Odoo's addresses that nobody else has in this domain."""
        holder = self.env["emboux.address"]._holder
        return {
            field: next(
                (part for part in parts if not holder(domain, f"{part}@{domain.name}")), parts[-1])
            for field, parts in LOCAL_PARTS.items()
        }

    def _plan(self):
        self.ensure_one()
        steps = self.env["emboux.odoo.mail.step"]
        kinds = [kind for kind, _label in steps._fields["kind"].selection]
        self.step_ids.unlink()
        made = steps.create(
            [{"setup_id": self.id, "kind": kind, "sequence": number}
             for number, kind in enumerate(kinds)]
        )
        made._describe()

    def action_apply(self):
        """Do what is still to be done, each step in its own transaction."""
        self.ensure_one()
        self.env["ir.mail_server"].check_access("create")
        if self.domain_id.state != "verified":
            raise UserError(
                self.env._(
                    "%s is not verified yet. Publish its DNS records and use Check Now first.",
                    self.domain_id.display_name,
                )
            )
        for step in self.step_ids.filtered(lambda s: s.state not in ("done", "kept")):
            if not step._run("_apply"):
                break  # the others build on it

    def action_undo(self):
        """Undo all steps, the last first."""
        self.ensure_one()
        for step in self._steps_to_undo():
            if not step._run("_undo"):
                break

    def _steps_to_undo(self):
        return self.step_ids.sorted(reverse=True).filtered(lambda s: s.state in ("done", "failed"))

    @api.model
    def _leave(self, domains):
        """These domains are to be deleted: what is planned for one goes with it.

        :raises UserError: a company's mail goes by one of them.
        """
        # as superuser: who deletes a domain need not be the administrator of Odoo's mail
        setups = self.sudo().search([("domain_id", "in", domains.ids)])
        if used := setups.filtered(lambda setup: setup.state != "planned")[:1]:
            raise UserError(
                self.env._(
                    "Odoo's own mail of %(company)s goes by %(domain)s. Use Undo All in "
                    "Configuration > Odoo's Own Mail first.",
                    company=used.company_id.display_name, domain=used.domain_id.display_name,
                )
            )
        setups.unlink()

    @api.model
    def action_set_up_company(self):
        """The next step until this company's mail goes by a domain of its own: connect a mail
        platform, add a domain, publish its records, or let Odoo use it."""
        company = self.env.company
        if setup := self.search([("company_id", "=", company.id)]):
            # one that is not in use is planned anew: what was found may have changed
            planned = setup.state == "planned"
            return setup.domain_id.action_use_for_odoo() if planned else setup._open()
        own = self.env["emboux.domain"].search(
            [("company_id", "=", company.id), ("partner_id", "=", False)])
        if not own and (action := self.env["emboux.backend"]._connect_first(company)):
            return action
        ready = own.filtered(lambda domain: domain.state == "verified")
        if len(ready) == 1:
            return ready.action_use_for_odoo()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_core.action_domain")
        if ready or len(own) > 1:
            return action | {
                "display_name": self.env._("Choose the Domain for Odoo's Mail"),
                "domain": [("id", "in", (ready or own).ids)],
            }
        return action | {
            "display_name": self.env._("Verify the Domain for Odoo's Mail") if own
            else self.env._("Add the Domain for Odoo's Mail"),
            "views": [(False, "form")], "res_id": own.id,
        }

    def _open(self):
        return {
            "type": "ir.actions.act_window", "res_model": self._name, "res_id": self.id,
            "view_mode": "form", "name": self.env._("Odoo's Own Mail"),
        }

    def _address(self, field):
        return f"{self[field]}@{self.domain_id.name}"

    # -- a test: out by the server, and back into this chatter ------------------------------

    def action_test(self):
        """Send a mail that comes back as a reply to a note in this record's chatter."""
        self.ensure_one()
        now = fields.Datetime.now()
        with own_transaction(self) as own:
            note = own.message_post(body=self.env._("Test mail sent. Its reply appears here."))
            own.write({"test_state": "sent", "test_outcome": False, "test_at": now})
            parent = note.message_id
        try:
            sent = self._send_test(parent)
        except MailDeliveryException as error:
            outcome = self.env._("It did not leave: %s", error.args[-1])
            with own_transaction(self) as own:
                own.write({"test_state": "failed", "test_outcome": outcome})
            return
        with own_transaction(self) as own:
            own.test_message_id = sent
        self.env.ref("emboux_core.ir_cron_end_mail_tests")._trigger(now + TEST_PATIENCE)
        if self.fetchmail_id:
            self.env.ref("mail.ir_cron_mail_gateway_action")._trigger(
                [now + timedelta(seconds=seconds) for seconds in FETCH_AFTER])

    def _send_test(self, parent):
        """Returns its Message-ID."""
        servers = self.env["ir.mail_server"]
        sender = self._address("from_local_part")
        return servers.send_email(
            servers._build_email__(
                email_from=sender,
                email_to=[self._address("catchall_local_part")],
                subject=self.env._("Test of Odoo's own mail"),
                body=self.env._("This mail left Odoo and came back into it."),
                references=parent,
                headers={"In-Reply-To": parent},
            ),
            mail_server_id=self.server_id.id,
        )

    def message_update(self, msg_dict, update_vals=None):
        # the gateway files as superuser
        self.filtered(lambda setup: setup.test_state in ("sent", "failed")).write(
            {"test_state": "arrived",
             "test_outcome": self.env._("It left by the outgoing server and came back.")}
        )
        return super().message_update(msg_dict, update_vals)

    @api.model
    def _cron_end_mail_tests(self):
        """Say of test mail that does not come back what is known of it."""
        over = self.search([("test_state", "=", "sent"),
                            ("test_at", "<=", fields.Datetime.now() - TEST_PATIENCE)])
        each_in_own_transaction(self.env, [over], lambda setup: setup._end_mail_test())

    def _end_mail_test(self):
        self.write({
            "test_state": "failed",
            "test_outcome": self.env._(
                "It left by the outgoing server and did not come back within %(minutes)s minutes. "
                "%(fate)s",
                minutes=TEST_PATIENCE.seconds // 60,
                fate=self._fate_of_test() or self.env._(
                    "Check that the MX record of %s points to its mail server, and the step "
                    "“Incoming mail”.", self.domain_id.name),
            ),
        })

    def _fate_of_test(self):
        """What the mail servers say of the test mail, as sentences; empty where nobody knows."""
        return ""

    # -- senders that no server may send for -----------------------------------------------

    @api.depends("domain_id", "state")
    def _compute_outside(self):
        for setup in self:
            senders = setup._senders_outside() if setup.domain_id else []
            setup.outside_count = len(senders)
            setup.outside_note = setup._table_of(senders) if senders else False

    def _table_of(self, senders):
        row = Markup('<tr><td><a href="/odoo/action-%s/%s">%s</a></td><td>%s</td><td>%s</td></tr>')
        rows = Markup().join(
            row % (ACTIONS[record._name], record.id, record.display_name, address,
                   self._remedy(record))
            for record, address in senders[:SHOWN]
        )
        more = len(senders) - SHOWN
        if more > 0:
            rows += Markup("<tr><td>%s</td></tr>") % self.env._("and %s more", more)
        return Markup('<table class="table table-sm mb-0">%s</table>') % rows

    def _remedy(self, record):
        domain = self.domain_id.name
        if record._name == "res.users":
            return self.env._("Create a mailbox for them, on the user's form.")
        if record._name == "mail.template":
            return self.env._("Empty its From, or use an address of %s.", domain)
        if record._name == "ir.mail_server":
            return self.env._(
                "Mail of these addresses leaves by this server instead. Take them out of its FROM "
                "Filtering, or archive it.",
            ) if record.from_filter else self.env._(
                "It has no FROM Filtering, so Odoo no longer uses it. Set that to the domains that "
                "it sends for, or archive the server.",
            )
        return self.env._("Use an address of %s.", domain)

    def _senders_outside(self):
        """[(record, address)]: users, the company and templates whose address no server sends for,
        and servers that do not send as their owner would expect.

        Odoo shows the names of the former before ``default_from`` for them.
        """
        self.ensure_one()
        servers = self._shared_servers()
        taken = ",".join([self.domain_id.name, *filter(None, servers.mapped("from_filter"))])
        users = self.env["res.users"].search(
            [("share", "=", False), ("company_ids", "in", self.company_id.ids)]
        )
        templates = self.env["mail.template"].search([("email_from", "like", "@")])
        senders = [(user, user.email) for user in users]
        senders.append((self.company_id, self.company_id.email))
        senders += [(t, t.email_from) for t in templates if "{{" not in t.email_from]
        match = servers._match_from_filter
        outside = [
            (record, address) for record, address in senders
            if address and not match(address, taken)
        ]
        return outside + [
            (server, ", ".join(self._taken_first(server)) or self.env._("any address"))
            for server in servers - self.server_id
            if not server.from_filter or self._taken_first(server)
        ]

    def _shared_servers(self):
        """The outgoing servers that this company's mail may leave by: nobody's own, no other
        company's."""
        # as superuser: whose mailbox a server uses is another company's to read
        return self.env["ir.mail_server"].search([("owner_user_id", "=", False)]).filtered(
            lambda server: server.sudo().emboux_mailbox_id.company_id in (
                self.company_id, self.env["res.company"]))

    def _taken_first(self, server):
        """The addresses of this domain that the server is for: Odoo prefers it to one that is for
        the whole domain."""
        filters = (part.strip() for part in (server.from_filter or "").split(","))
        return [part for part in filters if part.endswith(f"@{self.domain_id.name}")]
