# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from collections import Counter

from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.emboux_core.models.notification import notification
from odoo.addons.emboux_core.models.thread import Notice
from odoo.addons.emboux_core.net.http import check_url

from ..settings import PUSH_ALLOW_PRIVATE
from .customer import AbovePlan, OthersSuspension, QuotaReached

LEVELS = (100, 95, 80)  # percent of the quota at which people are notified, the highest first
SLACK = 5  # so much less has to be used before they are told of a level again


class MailboxTenancy(models.Model):
    """What a customer may do with a mailbox, how large it is and how much it may send.

    A mailbox is suspended as long as one of its two sides says so; ``state`` is what the mail
    servers go by, it follows from the two.  Who suspended decides who lifts: the operator and the
    customer each lift their own alone.
    """

    _name = "emboux.mailbox"
    _inherit = ["emboux.mailbox", "emboux.bulk.mixin"]
    _customer_fields = frozenset(
        {"domain_id", "local_part", "name", "password", "quota_mb", "catch_all", "state", "send_as",
         "own_return_address"}
    )
    _system_fields = frozenset(
        {"suspended_by_operator", "suspended_by_customer", "storage_warned"}
    )
    _audited_fields = (
        "email", "name", "quota_mb", "state", "send_as", "active", "own_return_address",
        "suspended_by_operator", "suspended_by_customer",
        "outbound_daily_limit", "outbound_monthly_limit",
    )

    @api.model
    def _complete_new(self, vals_list):
        vals_list, _found = super()._complete_new(vals_list)
        customer = self.env["emboux.customer"]._for_partner(self.env.user.emboux_partner_id)
        if limit := customer.mailbox_quota_limit_mb:
            backend = self.env.ref("emboux_mail_api.backend_local")
            default = min(backend.default_quota_mb or limit, limit)
            vals_list = [{"quota_mb": default, **vals} for vals in vals_list]
        return vals_list, customer

    def _on_created(self, found):
        super()._on_created(found)
        self._assert_within_limits(found)
        self.filtered("forward_to")._assert_reach()
        # as superuser: whose doing it is follows from who asks
        self.sudo().filtered(lambda m: m.state == "suspended").write(
            {self._own_suspension(): True}
        )
        # the triggers may have given back what the operator had set
        self.invalidate_recordset(["outbound_daily_limit", "outbound_monthly_limit"])

    def _on_written(self, vals, quotas):
        super()._on_written(vals, quotas)
        partner = self.env.user.emboux_partner_id
        if quotas and partner:
            self._assert_quota_allowed(self.env["emboux.customer"]._for_partner(partner))
        if vals.get("forward_to"):
            self._assert_reach()
        if vals.get("state"):
            self._note_suspension(vals["state"])
        if quotas or "usage_bytes" in vals:
            self._check_storage()

    # -- mailboxes per domain, and the largest mailbox ---------------------------------

    def _assert_may_add(self, vals_list):
        done = super()._assert_may_add(vals_list)
        wanted = Counter(vals["domain_id"] for vals in vals_list if vals.get("domain_id"))
        for domain, room in self._room(wanted).items():
            if wanted[domain] > room:
                raise QuotaReached(self._limit_sentence(domain))
        return done

    def _room(self, domain_ids):
        """Domain id to how many more mailboxes a limited domain can have; others are left out."""
        self.flush_model(["domain_id"])
        self.env["emboux.domain"].flush_model(["partner_id"])
        self.env["emboux.customer"].flush_model(["partner_id", "mailbox_limit"])
        # what counts is there for everybody, archived ones too
        return dict(
            self.env.execute_query(
                SQL(
                    """SELECT d.id, c.mailbox_limit - (SELECT count(*) FROM emboux_mailbox m
                                                        WHERE m.domain_id = d.id)
                         FROM emboux_domain d JOIN emboux_customer c USING (partner_id)
                        WHERE d.id = ANY(%s) AND c.mailbox_limit > 0""",
                    list(domain_ids),
                )
            )
        )

    def _limit_sentence(self, domain_id):
        # as superuser: see _room
        domain = self.env["emboux.domain"].sudo().browse(domain_id)
        return self.env._(
            "The limit of %(limit)s mailboxes in %(domain)s is reached. Delete one, or ask for "
            "more.",
            limit=self.env["emboux.customer"]._for_partner(domain.partner_id).mailbox_limit,
            domain=domain.display_name,
        )

    def _assert_within_limits(self, known):
        """``known``: the row of the customer who asks, or none."""
        # as superuser: what counts is there for everybody, archived ones too
        counted = self.sudo().with_context(active_test=False)
        for partner, mailboxes in counted.grouped(lambda m: m.domain_id.partner_id).items():
            mine = known and known.partner_id == partner
            customer = known if mine else self.env["emboux.customer"]._for_partner(partner)
            limit = customer.mailbox_limit
            for domain in mailboxes.domain_id if limit else ():
                domain._force_conflict()
                if counted.search_count([("domain_id", "=", domain.id)]) > limit:
                    raise QuotaReached(self._limit_sentence(domain.id))
            self._assert_quota_allowed(customer)

    def _assert_quota_allowed(self, customer):
        """Customers keep to their plan; the operator may give more."""
        limit = customer.mailbox_quota_limit_mb
        if not limit or self.env.su or not self.env.user.emboux_partner_id:
            return
        for mailbox in self:
            if not 0 < mailbox.quota_mb <= limit:
                raise AbovePlan(
                    self.env._(
                        "A mailbox can have %(limit)s MB at most. Ask for more.", limit=limit
                    )
                )

    # -- who suspended it --------------------------------------------------------------

    suspended_by_operator = fields.Boolean("Suspended by the Operator", readonly=True, copy=False)
    suspended_by_customer = fields.Boolean("Suspended by Its Owner", readonly=True, copy=False)
    suspended_note = fields.Char(
        "Suspended By", compute="_compute_suspended_note",
        help="Who suspended the mailbox and may lift that.",
    )

    @api.depends(
        "state", "suspended_by_operator", "suspended_by_customer", "suspended_with_user"
    )
    def _compute_suspended_note(self):
        for mailbox in self:
            operator, customer = mailbox.suspended_by_operator, mailbox.suspended_by_customer
            if mailbox.state != "suspended":
                note = False
            elif mailbox.suspended_with_user:
                note = self.env._("Suspended because its user is archived.")
            elif operator and customer:
                note = self.env._(
                    "Suspended by the operator and by its owner: each lifts their own suspension."
                )
            elif operator:
                note = self.env._(
                    "Suspended by the operator. Only they can lift it: write to them."
                )
            else:
                note = self.env._("Suspended by its owner, who activates it again.")
            mailbox.suspended_note = note

    def _own_suspension(self):
        """The field that stands for whoever asks; sudo() makes no operator of a customer."""
        return f"suspended_by_{'customer' if self.env.user.emboux_partner_id else 'operator'}"

    def _parts_to_write(self, vals):
        """One that is lifted on this side alone keeps its state.

        :raises OthersSuspension: only the other side has suspended one of them.
        """
        if vals.get("state") != "active":
            return super()._parts_to_write(vals)
        own = self._own_suspension()
        theirs = ({"suspended_by_customer", "suspended_by_operator"} - {own}).pop()
        # as superuser: see create
        stays = self.sudo().filtered(lambda m: m.state == "suspended" and m[theirs])
        if refused := stays.filtered(lambda m: not m[own])[:1]:
            raise OthersSuspension(refused._why_not_lifted())
        stays = self.browse(stays.ids)
        parts = [(self - stays, vals)]
        if stays and len(vals) > 1:
            parts.append((stays, {n: v for n, v in vals.items() if n != "state"}))
        return parts

    def _note_suspension(self, state):
        """Record that this side suspended or activated it."""
        own, suspended = self._own_suspension(), state == "suspended"
        # as superuser: see create
        self.sudo().filtered(lambda m: m[own] != suspended).write({own: suspended})

    def _why_not_lifted(self):
        if self.suspended_by_operator:
            return self.env._(
                "%s was suspended by the operator. Only they can lift the suspension: write to "
                "them once the cause is removed.",
                self.display_name,
            )
        return self.env._(
            "%s was suspended by its owner. Only they can lift the suspension: ask them.",
            self.display_name,
        )

    def action_activate(self):
        done = super().action_activate()
        left = self.filtered(lambda m: m.state == "suspended")[:1]
        if not left:
            return done
        return notification("warning", f"{left.display_name}: {left.suspended_note}")

    @api.ondelete(at_uninstall=False)
    def _unlink_except_suspended_by_operator(self):
        """Otherwise a customer could lift the suspension by recreating the mailbox."""
        if not self.env.user.emboux_partner_id:
            return
        # as superuser: see create
        if held := self.sudo().filtered(
            lambda m: m.state == "suspended" and m.suspended_by_operator
        )[:1]:
            raise OthersSuspension(
                self.env._(
                    "%s was suspended by the operator and cannot be deleted until they lift the "
                    "suspension. Write to them.",
                    held.display_name,
                )
            )

    # -- how much it may send, in addition to the limits of its domain -----------------

    outbound_daily_limit = fields.Integer(
        "Daily Sending Limit", help="0: the domain's limit for its mailboxes."
    )
    outbound_monthly_limit = fields.Integer(
        "Monthly Sending Limit", help="0: the domain's limit for its mailboxes."
    )

    _outbound_limits = models.Constraint(
        "CHECK (least(outbound_daily_limit, outbound_monthly_limit) >= 0)",
        "A sending limit is 0 (the domain's) or more.",
    )

    # -- where reports about its mail go -------------------------------------------------

    own_return_address = fields.Boolean(
        "Own Return Address for Each Message", tracking=True, copy=False,
        help="What comes back about a message that was sent by a mail program, such as “could not "
        "be delivered” or an automatic reply, stands in the story of that message and no longer "
        "comes into the mailbox. All recipients of a message have one return address together. For "
        "programs that send; a person who wants to read such reports leaves it off.",
    )

    # -- its people are told that it is getting full, of each level once ---------------

    storage_warned = fields.Integer("Notified At (%)", readonly=True, copy=False)

    def _check_storage(self):
        """Where the use or the quota has changed: tell of a level that is reached, forget those
        that are left."""
        for mailbox in self:
            used = mailbox.usage_percent
            told = mailbox.storage_warned
            level = next((level for level in LEVELS if used >= level), 0)
            kept = next((level for level in LEVELS if level <= told and used >= level - SLACK), 0)
            if level > told and mailbox.active and mailbox._is_local():
                mailbox._warn_storage(level)
            if told != max(level, kept):
                # as superuser: what has been told follows, and is not for users to write
                mailbox.sudo().storage_warned = max(level, kept)

    def _is_local(self):
        # as superuser: of which kind a backend is may be asked for anybody's mailbox
        return self.sudo().backend_id.kind == "local"

    @api.private
    def _warn_storage(self, percent):
        """Tell the mailbox' people that so much of its quota is used."""

        def compose(mailbox):
            if percent >= 100:
                title = mailbox.env._("%s is full: new mail is refused.", mailbox.display_name)
            else:
                title = mailbox.env._(
                    "%(mailbox)s is nearly full: %(percent)s %% of %(quota)s MB are used.",
                    mailbox=mailbox.display_name, percent=percent, quota=mailbox.quota_mb,
                )
            return Notice(title, remedy=mailbox.env._(
                "Delete mail that is not needed and empty the trash, or ask for more."
            ))

        # as superuser: its owner and its user are told, whoever's change it was
        mailbox = self.sudo()
        mailbox._post_notice(compose, mailbox.user_id.partner_id | mailbox.domain_id.partner_id)

    def action_open_messages(self):
        """What it has sent, and what came for it."""
        self.ensure_one()
        return self.env["emboux.message"]._list_of(
            ("domain_id", "=", self.domain_id.id),
            "|", ("login", "=", self.email), ("recipient", "=", self.email))

    # -- what the API does with it -----------------------------------------------------

    @api.private
    def _counted(self):
        """Address to (bytes, messages), as Dovecot has counted by now."""
        # a domain that is merely claimed holds nothing, whatever is at its owner's address; as
        # superuser: a mailbox's user need not see the domain
        owned = self.filtered(lambda mailbox: mailbox.sudo().domain_id.owned_since)
        self.env.cr.execute(
            "SELECT username, bytes, messages FROM emboux_mail.usage WHERE username = ANY(%s)",
            [owned.mapped("email")],
        )
        return {username: (size, messages) for username, size, messages in self.env.cr.fetchall()}

    @api.private
    def _set_service_hash(self, hashed):
        """Let the customer's Odoo send through the mailbox with a password of its own."""
        self.check_access("write")
        # as superuser: the hash is in no user's reach
        self.sudo().service_password_hash = hashed

    @api.private
    def _set_push(self, url, secret):
        """Hand the mailbox' mail to the customer's Odoo; an empty URL: keep it.

        :raises Refused: it is no URL that mail is handed to.
        """
        self.check_access("write")
        if url:
            url = check_url(url, PUSH_ALLOW_PRIVATE.read(self.env))
        # as superuser: the secret is in no user's reach
        self.sudo().write({"push_url": url or False, "push_secret": secret if url else False})

    @api.private
    def _delete_with_mail(self):
        """Delete despite existing mail: a caller who names the mailbox means it."""
        self.check_access("unlink")
        # as superuser: archiving is the operator's, here it is the first half of deleting
        self.filtered("active").sudo().write({"active": False})
        self.unlink()

    # -- use, as Dovecot counts it by its address ----------------------------------------

    def _on_renamed(self, former):
        done = super()._on_renamed(former)
        self.env.cr.execute("DELETE FROM emboux_mail.usage WHERE username = %s", [self.email])
        self.env.cr.execute(
            "UPDATE emboux_mail.usage SET username = %s WHERE username = %s", [self.email, former])
        return done

    # -- many at once ------------------------------------------------------------------

    @api.model
    @api.private
    def _create_each(self, rows):
        """Make mailboxes; see ``emboux.bulk.mixin``."""
        refused = self._refused_beforehand(
            {number: (row["local_part"], row["domain_id"]) for number, row in rows.items()}
        )
        free = {number: row for number, row in rows.items() if number not in refused}
        made, more = self._each(free, self.create)
        return made, refused | more

    @api.model
    @api.private
    def _refused_beforehand(self, places):
        """What is certain to be refused, with one look-up for all: a host repeats an import with
        a thousand addresses that are there.

        ``places``: number to (local part, domain id).  Returns number to (status, sentence).
        """
        names = {domain.id: domain.name for domain in
                 self.env["emboux.domain"].browse({domain for _local, domain in places.values()})}
        wanted = {number: f"{local.lower()}@{names[domain]}"
                  for number, (local, domain) in places.items()}
        # as superuser: the register of addresses is not for users to read
        taken = set(self.env["emboux.address"].sudo().search(
            [("email", "in", list(wanted.values())), ("domain_id", "in", list(names))]
        ).mapped("email"))
        message = self.env["emboux.address"]._email_unique.get_error_message(self, None)
        refused = {number: (409, message) for number, email in wanted.items() if email in taken}
        room = self._room(names)
        for number, (_local, domain) in places.items():
            if number in refused or domain not in room:
                continue
            if room[domain] <= 0:
                refused[number] = (409, self._limit_sentence(domain))
            room[domain] -= 1
        return refused
