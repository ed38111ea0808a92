# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import logging
from contextlib import closing
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..backends.base import DomainStatus
from ..dns import lookup
from ..dns.expected import is_wildcard, kind_of
from ..settings import DNS_ALLOW_PRIVATE, DNS_NAMESERVERS, DNS_PORT
from ..transactions import each_in_own_transaction
from .errors import backend_errors
from .notification import notification
from .thread import Notice

_logger = logging.getLogger(__name__)

FORM_DEADLINE = 10.0  # seconds that a person waits at most
BRIEF_DEADLINE = 3.0
BATCH_DEADLINE = 60.0
BATCH = 500  # a name server that keeps silent is waited for once in each
TOGETHER = 25  # domains whose answers are stored in one transaction

RETRY_DELAY = timedelta(seconds=30)
MAX_IMMEDIATE = 3  # names that are withdrawn from the DNS while their deletion waits


class DomainDns(models.Model):
    """Does the world's DNS say what it should?  Asked of the authoritative servers.

    A domain's records are published on a DNS server, and taken out when it goes.
    """

    _inherit = "emboux.domain"

    last_check = fields.Datetime(readonly=True, copy=False)
    next_check = fields.Datetime(readonly=True, copy=False, default=fields.Datetime.now, index=True)
    check_message = fields.Char("Last Response", readonly=True, copy=False)
    dns_state = fields.Selection(
        [("unknown", "Not Checked"), ("ok", "All Set"), ("attention", "Needs Attention")],
        compute="_compute_dns_state",
        store=True,
        string="DNS",
    )

    arrival_note = fields.Char(
        "Arrival", compute="_compute_arrival_note", compute_sudo=True,
        help="Of a subdomain that may send: why mail to it does not arrive, or is not known to; "
        "empty when it does.",
    )

    @api.depends("state", "parent_id", "dns_record_ids.state", "parent_id.dns_record_ids.state")
    def _compute_arrival_note(self):
        """A subdomain is verified by its parent; that mail finds it is the DNS' to say."""
        for domain in self:
            domain.arrival_note = (
                domain._arrival_problem()
                if domain.parent_id and domain.state == "verified" else False
            )

    def _check_arrival(self):
        """Look whether mail to a new subdomain arrives, while somebody waits: its name servers are
        those of its parent."""
        for domain in self.sudo().filtered("parent_id"):  # as superuser: nobody's to write
            domain._store_check(domain._look_up(BRIEF_DEADLINE)[domain.id])

    def _arrival_problem(self):
        needed = self.dns_record_ids.filtered(lambda r: r.key in ("mx", "spf"))
        failing = needed.filtered(lambda r: r.state in ("missing", "wrong"))
        if not failing:
            if needed and set(needed.mapped("state")) == {"ok"}:
                return False
            return self.env._(
                "It may send. Whether mail to it arrives has not been seen in the DNS yet."
            )
        kinds = ", ".join(r.record_type if r.key == "mx" else "SPF" for r in failing)
        of_all = self.parent_id.dns_record_ids.filtered(
            lambda r: is_wildcard(r.key) and kind_of(r.key) in failing.mapped("key")
        )
        if failing.filtered(lambda r: r.key == "mx"):
            what = self.env._("It may send, but mail to it does not arrive.")
        else:
            what = self.env._("It sends and receives, but much of its mail lands in spam.")
        if of_all and set(of_all.mapped("state")) == {"ok"}:
            return self.env._(
                "%(what)s %(name)s has records of its own in the DNS, so those of *.%(parent)s do "
                "not answer for it (RFC 4592): set %(kinds)s at %(name)s itself.",
                what=what, name=self.name, parent=self.parent_id.name, kinds=kinds,
            )
        return self.env._(
            "%(what)s Publish the records of %(parent)s, among them %(kinds)s of *.%(parent)s, or "
            "set %(kinds)s at %(name)s itself.",
            what=what, name=self.name, parent=self.parent_id.name, kinds=kinds,
        )

    @api.depends("dns_record_ids.state", "dns_record_ids.level")
    def _compute_dns_state(self):
        for domain in self:
            needed = domain.dns_record_ids.filtered(lambda r: r.level == "required")
            states = set(needed.mapped("state")) or {"unknown"}
            if states & {"missing", "wrong"}:
                domain.dns_state = "attention"
            else:
                domain.dns_state = "unknown" if "unknown" in states else "ok"

    def action_check_now(self):
        """Check while the user waits, for at most the deadline, and say what was found."""
        self.ensure_one()
        self.check_access("write")
        if self._verified_by_platform():
            [answer] = self._query_platforms(look=True).values()
            self._store_platform_status(answer)
            if not isinstance(answer, DomainStatus):
                return notification("danger", self.check_message)
        else:
            self._store_check(self._look_up(FORM_DEADLINE)[self.id])
        open_records = self.dns_record_ids.filtered(
            lambda r: r.level == "required" and r.state != "ok"
        )
        if not open_records:
            kind, message = "success", self.env._("All required DNS records are set.")
        elif all(record.state == "unknown" for record in open_records):
            kind, message = "danger", self.check_message
        else:
            kind, message = "warning", self.env._(
                "%(count)s required records are not right yet: %(names)s. DNS changes can take a "
                "while to show up; they are checked again automatically.",
                count=len(open_records),
                names=", ".join(f"{record.record_type} {record.name}" for record in open_records),
            )
        if not open_records and self.state != "verified" and self._verified_by_platform():
            # the records are not all that the platform goes by
            kind, message = "warning", self.state_reason or message
        return notification(kind, message)

    @api.model
    def _dns_resolver(self):
        """Whom to ask: the system's resolver, unless configured otherwise."""
        return lookup.Resolver(
            nameservers=DNS_NAMESERVERS.read(self.env),
            authoritative_port=DNS_PORT.read(self.env),
            allow_private=DNS_ALLOW_PRIVATE.read(self.env),
        )

    def _look_up(self, deadline):
        """Ask for all records of these domains at once: record id to ``DomainCheck``."""
        answers = {}
        for batch in self._without_namesakes():
            found = lookup.check_domains(
                batch._dns_jobs(), self._dns_resolver(), deadline_s=deadline)
            answers |= {domain.id: found[domain.name] for domain in batch}
        return answers

    def _look_up_in_turn(self, deadline):
        """The same, but as soon as they are known: some of the domains, and their answers.

        What is done with these is done while the others are asked.
        """
        for batch in self._without_namesakes():
            numbers = {domain.name: domain.id for domain in batch}
            for found in lookup.checks_as_done(
                batch._dns_jobs(), self._dns_resolver(), deadline_s=deadline
            ):
                answers = {numbers[check.domain]: check for check in found}
                yield self.browse(answers), answers

    def _without_namesakes(self):
        """Two backends may know one name, each with a token of its own: one after the other."""
        waiting = self
        while waiting:
            batch = self.browse({domain.name: domain.id for domain in waiting}.values())
            yield batch
            waiting -= batch

    def _dns_jobs(self):
        """What ``dns.lookup`` is given."""
        return [
            (domain.name, tuple(record._as_expected() for record in domain.dns_record_ids))
            for domain in self
        ]

    def _store_check(self, answer):
        self.ensure_one()
        self._store_checks({self.id: answer})

    def _store_checks(self, answers):
        """Store each domain's answer; tell the responsible only what changed."""
        # as superuser: verdicts and the state that follows are not the user's to write, and the
        # user need not be allowed to see who is responsible
        by_lang = self.sudo().grouped(lambda domain: domain.user_id.lang or self.env.lang)
        for lang, domains in by_lang.items():
            domains = domains.with_context(lang=lang)
            changes = {domain: domain._store_verdicts(answers[domain.id]) for domain in domains}
            domains._apply_verification()
            for domain in domains:
                if changes[domain]:
                    domain._notify_changes(changes[domain])

    def _store_verdicts(self, answer):
        """Returns [(record, its state before)] of those that are judged otherwise now."""
        verdicts = {verdict.key: verdict for verdict in answer.verdicts}
        changes = []
        for record in self.dns_record_ids:
            verdict = verdicts.get(record.key)
            if verdict is None:
                continue
            if verdict.state == "unknown" and record.state != "unknown":
                continue  # a silent server does not undo an earlier verdict
            if verdict.state != record.state:
                changes.append((record, record.state))
            values = {"state": verdict.state, "found": verdict.found, "note": verdict.note,
                      "harmless": verdict.harmless}  # fmt: skip
            if any((record[field] or "") != (value or "") for field, value in values.items()):
                record.write(values)
        now = fields.Datetime.now()
        message = answer.error or self.env._("Asked %s.", answer.asked)
        self.write(
            {"last_check": now, "check_message": message, "next_check": self._next_check(now)}
        )
        return changes

    def _store_answers(self, answers):
        """Store what the DNS, or the domain's platform, has answered."""
        looked = self.filtered(lambda d: isinstance(answers[d.id], lookup.DomainCheck))
        looked._store_checks(answers)
        for domain in self - looked:
            domain._store_platform_status(answers[domain.id])

    def _next_check(self, now):
        """Pending: often at first, then ever less, at least daily.  Others: daily, and more
        often while a verified one fails."""
        if self.state != "pending":
            return now + (timedelta(hours=6) if self.failing_days else timedelta(days=1))
        age = now - (self.create_date or now)
        return now + min(max(age / 10, timedelta(minutes=5)), timedelta(days=1))

    def _notify_changes(self, changes):
        broken = [r for r, before in changes if before == "ok" and r.state in ("missing", "wrong")]
        first_look = all(before == "unknown" for _record, before in changes)
        if first_look and not broken and self.state == "pending":
            return  # the form shows it; nothing has changed since somebody looked last

        def compose(domain):
            named = dict(self.dns_record_ids._fields["state"]._description_selection(domain.env))
            if broken:
                title = domain.env._("DNS records of %s need attention", domain.display_name)
            else:
                title = domain.env._("DNS records of %s have changed", domain.display_name)
            return Notice(title, lines=tuple(
                f"{record.record_type} {record.name}: {named[before]} → {named[record.state]} "
                f"{record.note or ''}"
                for record, before in changes
            ))

        partner = self.user_id.partner_id
        concerns = broken or self.state == "verified"
        self._post_notice(compose, partner if concerns else partner.browse())
        if broken:
            self._schedule_notice(compose, self.user_id, "mail.mail_activity_data_warning")
        elif self.dns_state == "ok":
            self.activity_feedback(
                ["mail.mail_activity_data_warning"],
                user_id=self.user_id.id,
                feedback=self.env._("All set again."),
            )

    @api.model
    def _cron_check_dns(self):
        """Check what is due, many at once, until all is done or the cron's time is up."""
        due = [
            ("next_check", "<=", fields.Datetime.now()),
            # what a new domain's DNS should say is not known yet
            ("state", "!=", "draft"),
            # whether it is suspended still, its platform says
            "|", ("state", "!=", "suspended"), ("backend_id.kind", "=", "emboux"),
        ]
        seen = self.browse()
        while domains := self.search(
            [*due, ("id", "not in", seen.ids)], limit=BATCH, order="next_check, id"
        ):
            seen |= domains
            remaining = len(domains) + self.search_count([*due, ("id", "not in", seen.ids)])
            with closing(domains._ask_in_turn()) as known:
                for some, answers in known:
                    remaining -= len(some)
                    # transactions of their own, and short: others write domains too
                    if not each_in_own_transaction(
                        self.env, [some],
                        lambda these, answers=answers: these._store_if_free(answers),
                        lambda domain, _error: domain._check_later(),
                        more=remaining, size=TOGETHER,
                    ):
                        return
            _logger.info("checked the DNS of %d domains, %d remain", len(domains), remaining)

    def _ask_in_turn(self):
        """Some of the domains and their answers, as soon as these are known."""
        if elsewhere := self._verified_by_platform():
            yield elsewhere, elsewhere._query_platforms()
        yield from (self - elsewhere)._look_up_in_turn(BATCH_DEADLINE)

    def _store_if_free(self, answers):
        """Concurrent writes of domains have priority; these stay due."""
        # others may go on to refer to the domain, as the history of its sending does, which
        # passes over a domain that is being deleted
        self.try_lock_for_update(allow_referencing=True)._store_answers(answers)

    def _check_later(self):
        """If the result cannot be stored, the look-up is not repeated at once."""
        # as superuser: as in _store_check
        self.sudo().next_check = fields.Datetime.now() + timedelta(hours=1)

    # -- publishing its records on a DNS server, and taking them out -------------------

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

    def _on_created(self, given):
        super()._on_created(given)
        self.env["emboux.dns.published"]._reclaim(self)

    def _before_deleted(self):
        # as superuser: rows are for managers to read, customers delete their domains too
        published = self.env["emboux.dns.published"].sudo()
        places = [
            (server.id, name)
            for server, name in published._read_group(
                [("domain_id", "in", self.ids)], ["server_id", "domain_name"]
            )
        ]
        return [*super()._before_deleted(), lambda: self._withdraw_soon(places)]

    def _withdraw_soon(self, places):
        if not places:
            return
        # as superuser: the cron, and rows, are not for users to read
        env = self.sudo().env
        # what the hook below does not get done, or does not live to do
        env.ref("emboux_core.ir_cron_withdraw")._trigger(fields.Datetime.now() + RETRY_DELAY)
        published = env["emboux.dns.published"]
        self.env.cr.postcommit.add(lambda: published._withdraw_after_commit(places[:MAX_IMMEDIATE]))

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
        return wizard._refresh_plan()

    # -- on a server that keeps settings of its own for a domain -------------------------------

    has_server = fields.Boolean(related="backend_id.has_server")
    server_check = fields.Html(
        "What the Mail Server Says", readonly=True, sanitize=False, copy=False)
    server_check_at = fields.Datetime("Asked at", readonly=True, copy=False)

    def action_server_check(self):
        """Ask for the mail server's own check of the domain, beside ours; up to 30 seconds."""
        self.ensure_one()
        self.check_access("write")
        with backend_errors(self.env, self.backend_id.name):
            sections = self.backend_id._client().checked(self.name)
        # as superuser: what a server says is not for users to write
        self.sudo().write({
            "server_check": self.env["ir.qweb"]._render(
                "emboux_core.server_check", {"sections": sections}),
            "server_check_at": fields.Datetime.now(),
        })

    def action_server_keys(self):
        """Read its signing keys from the server, and show them."""
        self.ensure_one()
        self.check_access("write")
        keys, backend = self.env["emboux.server.key"], self.backend_id
        keys.check_access("read")
        with backend_errors(self.env, backend.name):
            rows = {
                row.selector: {"domain_id": self.id, "algorithm": row.algorithm, "signs": row.signs}
                for row in backend._client().server.keys(self.name)
            }
        keys._align(backend, rows, [("domain_id", "=", self.id)])
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_core.action_server_key")
        return action | {
            "domain": [("domain_id", "=", self.id)],
            "context": {"default_domain_id": self.id},
        }

    def action_server_settings(self):
        """Show what the server keeps of it: where reports go, and MTA-STS."""
        self.ensure_one()
        self.check_access("write")
        wizard = self.env["emboux.server.domain"].create({"domain_id": self.id})
        wizard._read()
        return wizard._open()
