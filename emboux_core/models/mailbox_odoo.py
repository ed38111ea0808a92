# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.orm.models import NO_ACCESS
from odoo.tools import SQL

from .. import faults, passwords
from ..net import push, signature
from ..net.errors import BackendError
from ..transactions import each_in_own_transaction, own_transaction
from .mail_route import ForwardRoutes
from .notification import notification

_logger = logging.getLogger(__name__)

TRIAL = timedelta(minutes=10)  # longer than any server test: its process is dead


class MailboxOdoo(models.Model):
    """Odoo as a client of the mailbox, with a password of its own; and as what takes its mail.

    The person's password is stored as a hash, so Odoo could not log in with it; a second one, that
    only Odoo's outgoing server knows, leaves the person's mail programs alone.  A platform that has
    but one gets a new one, which Odoo keeps (``mailbox_mox.py``).
    """

    _inherit = "emboux.mailbox"

    _system_fields = frozenset(
        {"outgoing_before", "outgoing_trial_until", "push_url", "push_secret"}
    )
    _provisioned_fields = frozenset({"push_url", "push_secret"})

    service_password_hash = fields.Char(copy=False, groups=NO_ACCESS)
    # while an outgoing server is tested: the value to restore unless the test succeeds
    outgoing_before = fields.Json(copy=False, groups=NO_ACCESS)
    outgoing_trial_until = fields.Datetime(copy=False, groups=NO_ACCESS, index="btree_not_null")
    # with a secret its mail is handed to an Odoo and not kept: at this URL, or to this very Odoo
    push_url = fields.Char("Mail Is Handed To", copy=False, readonly=True)
    push_secret = fields.Char(copy=False, groups=NO_ACCESS)
    mail_server_ids = fields.One2many(
        "ir.mail_server", "emboux_mailbox_id", "Odoo Outgoing Server", groups="base.group_system"
    )

    smtp_host = fields.Char(related="backend_id.smtp_host")
    smtp_starttls_port = fields.Integer(related="backend_id.smtp_starttls_port", string="Port 587")
    smtp_tls_port = fields.Integer(related="backend_id.smtp_tls_port", string="Port 465")
    imap_host = fields.Char(related="backend_id.imap_host")
    imap_starttls_port = fields.Integer(related="backend_id.imap_starttls_port")
    imap_tls_port = fields.Integer(related="backend_id.imap_tls_port")

    def action_use_as_outgoing_tls(self):
        """Make Odoo send through this mailbox, by SSL/TLS (port 465, recommended)."""
        return self._use_as_outgoing("ssl_strict", self.smtp_tls_port)

    def action_use_as_outgoing_starttls(self):
        """Make Odoo send through this mailbox, by STARTTLS (port 587)."""
        return self._use_as_outgoing("starttls_strict", self.smtp_starttls_port)

    def _use_as_outgoing(self, encryption, port):
        """Make or renew the ``ir.mail_server``, prove that it sends, and open it.

        Raises ``UserError`` with what the server said; then nothing is made.
        """
        self.ensure_one()
        self.check_access("write")
        servers = self.env["ir.mail_server"]
        servers.check_access("create")  # Odoo's mail servers are the system's administrators'
        self._assert_may_send()
        server = self.with_context(active_test=False).mail_server_ids[:1]
        password = self._odoos_password()
        has_two = self.backend_id._client().takes_hashes
        if has_two:
            self._start_trial(password)
            faults.point("outgoing:widened")
        else:
            self._take_over(password)
        values = {
            "name": f"{self.display_name} (Emboux)",
            "smtp_host": self.smtp_host,
            "smtp_port": port,
            "smtp_encryption": encryption,
            "smtp_authentication": "login",
            "smtp_user": self.email,
            "smtp_pass": password,
            "from_filter": self._from_filter(),
            "active": True,
            "emboux_mailbox_id": self.id,
        }
        if server:
            server.write(values)
        else:
            server = servers.create(values)
        try:
            server.test_smtp_connection()
        except UserError as error:
            if not has_two:
                raise UserError(
                    self.env._(
                        "%(error)s\n%(mailbox)s has a new password now that nobody knows: set one "
                        "before a mail program uses it.",
                        error=error, mailbox=self.display_name,
                    )
                ) from error
            self._end_trial(failed=True)
            raise
        deaf = "" if has_two else self._hear_of_sent_mail()
        return notification(
            "warning" if deaf else "success",
            self.env._(
                "Tested: the server takes mail from %s. Odoo uses it for every sender of "
                "these domains.",
                server.from_filter,
            ) if has_two else self.env._(
                "Tested: the server takes mail from %(senders)s. %(deaf)s",
                senders=server.from_filter,
                deaf=deaf and self.env._("What becomes of it will not be known: %s", deaf),
            ),
            title=self.env._("Odoo sends through %s", self.display_name),
        )

    def _odoos_password(self):
        """The password by which Odoo logs in here; a new one if no outgoing server has it yet.

        There is one for each mailbox: what uses it goes on working, be it a server of the domain,
        whose test may fail, or the personal one of its user.
        """
        return self._odoos_servers()[:1].smtp_pass or passwords.generate(30)

    def _odoos_servers(self, email=None):
        """The outgoing servers by which Odoo logs in here, archived ones too.

        Personal ones are its user's alone: somebody else, who claims the domain too, may have a
        mailbox of the same address.  ``email``: its address, where that was another one.
        """
        # as superuser: users do not read mail servers, not even their own
        mailbox = self.sudo()
        personal = Domain("emboux_personal", "=", True) & Domain(
            "owner_user_id", "in", mailbox.user_id.ids)
        return self.env["ir.mail_server"].sudo().with_context(active_test=False).search(
            Domain("smtp_user", "=", email or self.email) & Domain("smtp_pass", "!=", False)
            & (Domain("emboux_mailbox_id", "=", self.id) | personal))

    def _assert_may_send(self):
        if not self.smtp_host:
            raise UserError(
                self.env._("The backend %s has no SMTP host. Set it there first.",
                           self.backend_id.display_name)
            )
        if self.state != "active":
            raise UserError(self.env._("%s is suspended. Activate it first.", self.display_name))
        if self.domain_id.state != "verified":
            raise UserError(
                self.env._(
                    "%s is not verified yet, so its mail would be refused. Publish its DNS records "
                    "and use Check Now on the domain first.",
                    self.domain_id.display_name,
                )
            )

    def _start_trial(self, password):
        """Let the mailbox send for its domain with this password, which the mail server has to see
        before the test: committed by itself, so with what was before, which comes back unless an
        outgoing server is in use at the end, however the transaction ends.

        The caller's transaction must not write this row, it would never get it (40001).
        """
        # as superuser: the hash is in no user's reach
        mailbox = self.sudo()
        # if a trial was never ended, the value from before that one
        before = mailbox.outgoing_before or mailbox.read(["service_password_hash", "send_as"])[0]
        until = fields.Datetime.now() + TRIAL
        values = {
            "service_password_hash": passwords.hash_all([password])[0], "send_as": "domain",
            "outgoing_before": {k: before[k] for k in ("service_password_hash", "send_as")},
            "outgoing_trial_until": until,
        }
        with own_transaction(self) as own:
            own.write(values)
            own.env.ref("emboux_core.ir_cron_end_trials")._trigger(until)
        self.invalidate_recordset(list(values))
        self.env.cr.postcommit.add(self._end_trial)
        self.env.cr.postrollback.add(self._end_trial)

    def _end_trial(self, failed=False):
        """Keep what is in use, roll back what is not."""
        try:
            with own_transaction(self) as own:
                own._settle_trial(failed)
        except Exception:
            # no need to bother the user: the cron does it
            _logger.exception("what mailbox %s was before its outgoing server", self.id)
        self.invalidate_recordset()

    def _settle_trial(self, failed=False):
        for mailbox in self.exists().filtered("outgoing_before"):
            back = mailbox.outgoing_before if failed or not mailbox.mail_server_ids else {}
            mailbox.write({"outgoing_before": False, "outgoing_trial_until": False, **back})

    @api.model
    def _cron_end_trials(self):
        """Roll back trials that were interrupted."""
        over = [("outgoing_trial_until", "<=", fields.Datetime.now())]
        each_in_own_transaction(
            self.env, [self.with_context(active_test=False).search(over)],
            lambda mailbox: mailbox._settle_trial(),
        )

    def _assert_odoo_does_not_send(self):
        """Refuse what would silently stop Odoo's own mail."""
        for mailbox in self.sudo():  # as superuser: whoever is refused need not see the server
            if servers := mailbox.mail_server_ids:
                raise UserError(
                    self.env._(
                        "Odoo sends through %(mailbox)s for all addresses of its domain (outgoing "
                        "mail server '%(server)s'). Archive that server, or use another mailbox "
                        "for it, first.",
                        mailbox=mailbox.display_name,
                        server=servers[0].name,
                    )
                )

    def _from_filter(self):
        """Each domain in full: Odoo compares whole domains, not endings.

        Of the subdomains those of the same owner; the mail server refuses the others.
        """
        # as superuser: a subdomain of another company's customer must not stop this
        domains = self.domain_id.sudo()
        if domains.is_wildcard:
            owner = domains.partner_id
            own = domains.child_ids.filtered(lambda child: child.partner_id == owner)
            domains |= own.sorted("name")
        return ",".join(domains.mapped("name"))

    def _room_to_send(self):
        """What Odoo may still send through this mailbox, as a ``Room``; None: no limit is known."""
        self.ensure_one()
        try:
            return self.backend_id._client().room_to_send(self.domain_id.name, self.email)
        except (BackendError, UserError) as error:
            # the mail servers have the last word anyway
            _logger.warning("what %s may still send is not known: %s", self.email, error)
            return None

    # -- incoming mail, handed to Odoo instead of kept ----------------------------------------

    def _taken_by_odoo(self):
        """Those of these whose mail an Odoo takes: this one, or a customer's.

        As superuser: whose mailbox is Odoo's may be asked for anybody's alias.
        """
        if not self:
            return self
        fetched = self.env["fetchmail.server"].sudo()._search([("user", "!=", False)])
        return self.sudo().search(
            [("id", "in", self.ids),
             "|", ("email", "in", fetched.subselect(SQL.identifier(fetched.table, "user"))),
             "|", ("push_secret", "!=", False), ("mox_receives", "=", True)])

    @api.constrains("push_secret", "mox_receives")
    def _check_no_catch_all(self):
        for mailbox in self.sudo().filtered(lambda box: box.push_secret or box.mox_receives):
            mailbox._assert_no_catch_all()

    def _assert_no_catch_all(self):
        """Refuse that Odoo takes the mail of this mailbox while a catch-all leads to it."""
        self._assert_no_catch_all_of_odoo(self, ForwardRoutes(self.env, self.domain_id))

    def _start_push(self):
        """Let the mail server hand this mailbox' mail to this Odoo; what is in it stays there.

        :raises UserError: the platform refuses, for instance a URL that it cannot reach.
        """
        self.ensure_one()
        # a platform in this database calls this Odoo where its daemon was told to
        here = self.backend_id._client().transactional
        url = False if here else f"{self.get_base_url()}{push.path_of(self.id)}"
        # as superuser: the secret is in no user's reach
        self.sudo().write({"push_url": url, "push_secret": signature.new_secret()})

    def _end_push(self):
        # as superuser: see above
        self.sudo().write({"push_url": False, "push_secret": False})
