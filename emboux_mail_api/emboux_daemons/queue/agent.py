# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The agent: one round after the other, each beginning with what is there.

A round relies on nothing remembered from the one before, so that it can be killed at any moment.
What it is about to do is written first: a row is ``holding`` before the message is put on hold, and
``releasing``, with its charge, before it is released.  The next round finds such rows and goes on.
"""

import logging
import time

import psycopg2

from ..rounds import BackOff, Ending, one_line
from . import rules
from .certificate import Certificate
from .forget import Forgetter
from .listing import Listing
from .metrics import Metrics
from .postqueue import QueueError
from .rules import DISCARDING, GONE, HELD, OVER_LIMIT, RELEASING
from .sessions import SessionError

_logger = logging.getLogger(__name__)

ROUND_SECONDS = 2.0  # from one round to the next, unless Odoo says that something changed
SESSION_SECONDS = 5.0  # from one look at who is logged in to the next
SLOW_FACTOR = 4  # a round that takes t is followed by a pause of at least 4 t
LONGEST_PAUSE = 30.0
MOST_TRIED = 300  # messages over a limit, in one round


class Agent:
    """``postfix``: a ``postqueue.Postfix``; ``store``: a ``store.Store`` that is open;
    ``dovecot``: a ``sessions.Dovecot``, None where there is none beside this Postfix."""

    def __init__(self, postfix, store, dovecot=None):
        self.postfix, self.store, self.dovecot = postfix, store, dovecot
        self._envelopes = {}  # key -> Envelope
        self._seen_waiting = set()  # keys
        self._sessions_again, self.session_problem = 0.0, None
        self._listing = Listing(postfix, store)
        self.metrics = Metrics()

    def round(self):
        """Returns whether something was done, so that the next round should see its effect."""
        store = self.store
        rows = store.rows()
        # a message that moves while the queue is listed may show twice; the later one counts
        messages = {m.key: m for m in self.postfix.messages()
                    if m.is_held or m.queue in rules.WAITING}
        changed = rules.observed(rows, messages)
        if changed:
            store.set_states(changed)
            rows = store.rows()
        world = self._look(rows, messages)
        acted = self._listing.round(world, time.time())
        acted |= self._hold(world, rows)
        rows = store.rows() if acted else rows
        acted |= self._fulfil_wishes(world, rows)
        acted |= self._lift(world, rows)
        acted |= self._within_limits(world, rows)
        if acted or any(row.state in (RELEASING, DISCARDING) for row in rows):
            acted |= self._let_go(messages)
        self.metrics.saw(messages.values())
        self.metrics.held(rows)
        held = sum(m.is_held for m in messages.values())
        store.beat(len(messages) - held, held)
        self._seen_waiting = {
            key for key, m in messages.items() if not m.is_held or key in self._seen_waiting}
        if self.dovecot and time.monotonic() >= self._sessions_again:
            self._sessions_again = time.monotonic() + SESSION_SECONDS
            self._end_sessions()
        return acted

    def forget(self):
        """What is remembered of the database is read anew."""
        self._listing.forget()

    def _end_sessions(self):
        """Who is suspended reads no mail in a session that was open already.

        The queue is served whatever becomes of it.
        """
        try:
            users = self.dovecot.users()
            suspended = self.store.suspended(users) if users else ()
            if suspended:
                self.dovecot.end(suspended)
                _logger.info("sessions ended for a suspension: %d", len(suspended))
            self.session_problem = None
        except SessionError as error:
            if (problem := one_line(error)) != self.session_problem:
                _logger.error("%s", problem)
            self.session_problem = problem

    def _look(self, rows, messages):
        self._envelopes = {key: e for key, e in self._envelopes.items() if key in messages}
        unknown = [key for key in messages if key not in self._envelopes]
        if unknown:
            found = self.postfix.envelopes([queue_id for queue_id, _arrived in unknown])
            self._envelopes |= {key: found[key[0]] for key in unknown if key[0] in found}
        names = {e.login for e in self._envelopes.values() if e.login} | {r.login for r in rows}
        domains = {rules.domain_of(messages[key].sender)
                   for key, e in self._envelopes.items() if e.login}
        domains |= {rules.domain_of(row.sender) for row in rows}
        return rules.World(messages, self._envelopes, self.store.logins(names) if names else {},
                           self.store.stopped_domains(domains) if domains else set(),
                           self.store.hold_rules())

    def _hold(self, world, rows):
        new = rules.registrations(world, rows, self._seen_waiting)
        if new:
            rows = [*rows, *self.store.register(new)]
        hold, drop = rules.still_to_hold(world, rows)
        if drop:
            self.store.set_states({row.id: GONE for row in drop})
        if hold:
            self.postfix.hold([row.queue_id for row in hold])
            self.metrics.did("held", len(hold))
            _logger.info("held for a suspension: %s", _ids(hold))
        return bool(new or drop or hold)

    def _fulfil_wishes(self, world, rows):
        acted = False
        for row in rows:
            if not row.wish or row.state != HELD:
                continue
            acted = True
            if row.wish == "discard":
                self.store.set_states({row.id: DISCARDING})
            elif world.is_stopped(row.login, row.sender):
                self.store.refuse(row, "Its sender is suspended or blocked; lift that first.")
            elif row.reason == OVER_LIMIT:
                envelope = self._whole_envelope(row)
                verdict = envelope and self.store.charge(row, envelope, forced=True)
                if verdict and not verdict.accepted:
                    self.store.refuse(row, verdict.reason)
            else:
                self.store.set_states({row.id: RELEASING})
        return acted

    def _lift(self, world, rows):
        over = rules.lifted(world, rows)
        if over:
            self.store.set_states({row.id: RELEASING for row in over}, unless_wished=True)
        return bool(over)

    def _within_limits(self, world, rows):
        """Release what the limits allow now, each domain's oldest first."""
        closed, tried, released = set(), 0, 0  # domains and logins whose limit is reached
        for row in rules.within_limits_again(rows, self.store.now()) if rows else ():
            login = world.logins.get(row.login)
            if login is None or world.is_stopped(row.login, row.sender):
                continue
            if tried >= MOST_TRIED or {login.domain_id, row.login} & closed:
                continue
            tried += 1
            envelope = self._whole_envelope(row)
            if envelope is None:
                continue
            # a look first: it locks nothing that those wait for who send meanwhile
            verdict, count = self.store.may_leave(row, envelope)
            if verdict.accepted:
                verdict = self.store.charge(row, envelope)
            if verdict.accepted:
                released += 1
                continue
            self.store.note(row, verdict.reason)
            if rules.holds_up(verdict, count):
                own = verdict.rule.startswith("mailbox_")
                closed.add(row.login if own else login.domain_id)
        return bool(released)

    def _let_go(self, messages):
        """Carry out what is written; the commands come last, after everything is committed."""
        rows = [row for row in self.store.rows() if row.key in messages
                and messages[row.key].is_held]
        release = [row for row in rows if row.state == RELEASING]
        discard = [row for row in rows if row.state == DISCARDING]
        if release:
            self.postfix.release([row.queue_id for row in release])
            self.metrics.did("released", len(release))
            _logger.info("released: %s", _ids(release))
        if discard:
            self.postfix.discard([row.queue_id for row in discard])
            self.metrics.did("discarded", len(discard))
            _logger.info("discarded: %s", _ids(discard))
        return bool(release or discard)

    def _whole_envelope(self, row):
        """With all recipients; None when the message has left, which the next round will see."""
        return self.postfix.envelopes([row.queue_id], kept=None).get(row.queue_id)


def run(agent, forgetting=None, once=False, watch=None):
    """Rounds until SIGTERM or SIGINT; returns the exit code.  ``once``: until nothing is to do.

    ``forgetting``: a ``forget.Forgetting``, which goes on beside the rounds.  ``watch``: a
    ``watch.Watch`` that has been started.
    """
    store, ending = agent.store, Ending().on_signals()
    vitals = watch.vitals if watch else None
    back_off = BackOff(1.0, LONGEST_PAUSE, _logger, vitals)
    certificate = Certificate(agent.postfix.config)
    if vitals:
        forgetting.reloaded = agent.metrics.reloaded
        vitals.reports(
            agent.metrics.families, agent.metrics.figures,
            warn=lambda: forgetting.problem or agent.session_problem or certificate.warning())
    _logger.info("serving the queue of %s as %s", agent.postfix.config, store.host)
    forgetter = None
    while not ending.is_set():
        began, acted = time.monotonic(), False
        try:
            if store.open():
                agent.forget()
            if forgetting and once:
                forgetting.once()
                forgetting = None
            elif forgetting and not forgetter:  # no sooner: this is the only agent here
                forgetter = Forgetter(forgetting)
                forgetter.start()
            acted = agent.round()
            wait = 0.1 if acted else ROUND_SECONDS
            back_off.worked()
            agent.metrics.certificate_ends = certificate.look()
        except (psycopg2.Error, QueueError) as error:
            wait = back_off.failed(error)
            _tell(store, error)
            if once:
                return 1
        if once and not acted:
            break
        took = time.monotonic() - began
        wait = max(wait, min(SLOW_FACTOR * took, LONGEST_PAUSE))
        # a queue that takes long to list is not listed all the time, whatever changes in Odoo
        if not ending.wait(min(took, LONGEST_PAUSE)):
            _pause(store, wait - min(took, wait), ending)
    if forgetter:
        forgetter.end()
    store.close()
    return 0


def _pause(store, seconds, ending):
    try:
        store.wait(seconds, ending)
    except psycopg2.Error:
        store.close()  # the next round connects again


def _tell(store, error):
    """Let Odoo know of what is wrong with Postfix; with PostgreSQL away it sees that by itself."""
    if not isinstance(error, QueueError):
        store.close()
        return
    try:
        store.beat(None, None, str(error))
    except psycopg2.Error as away:
        _logger.warning("the database is away: %s", one_line(away))
        store.close()


def _ids(rows):
    return " ".join(row.queue_id for row in rows[:50]) + (" ..." if len(rows) > 50 else "")
