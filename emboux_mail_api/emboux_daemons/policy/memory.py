# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What the daemon keeps in its memory, all of it bounded, none of it needed for exactness."""

from collections import OrderedDict


class SettingsCache:
    """Settings by login, dropped by domain, by age, and the oldest when there are too many.

    ``generation`` counts the drops: what was asked for before one and comes after it is used
    once and not kept, because it may be older than the change.
    """

    def __init__(self, largest=120_000):
        self.largest, self.generation = largest, 0
        self._entries = OrderedDict()  # login -> (settings or None, loaded at)
        self._logins = {}  # domain id -> logins

    def __len__(self):
        return len(self._entries)

    def get(self, login, now, seconds):
        """(found, settings); what is older than ``seconds`` is not found."""
        entry = self._entries.get(login)
        if entry is None or now - entry[1] > seconds:
            return False, None
        return True, entry[0]

    def old(self, login):
        """The settings however old, None if there are none: for when the database is away."""
        entry = self._entries.get(login)
        return entry[0] if entry else None

    def put(self, login, settings, now, generation):
        if generation != self.generation:
            return
        self._forget(login)
        self._entries[login] = (settings, now)
        for domain in _domains(settings):
            self._logins.setdefault(domain, set()).add(login)
        while len(self._entries) > self.largest:
            self._forget(next(iter(self._entries)))

    def drop(self, payload):
        """Forget a domain (its id) and those that inherit from it, or all (``*``)."""
        self.generation += 1
        if not payload.isdigit():
            self._entries.clear()
            self._logins.clear()
            return
        # a login that was not known may be of a mailbox that has just been made
        for login in [*self._logins.get(int(payload), ()), *self._logins.get(0, ())]:
            self._forget(login)

    def _forget(self, login):
        entry = self._entries.pop(login, None)
        for domain in _domains(entry[0]) if entry else ():
            logins = self._logins.get(domain)
            if logins is not None:
                logins.discard(login)
                if not logins:
                    del self._logins[domain]


def _domains(settings):
    if settings is None:
        return (0,)
    return (settings.domain_id, settings.parent_id) if settings.parent_id else (
        settings.domain_id,)


class Envelope:
    """One message's recipients that were let in: recipient to (``expansion.Share``, pair hash).

    ``asked``: how often, with those who were named twice.
    """

    __slots__ = ("asked", "recipients")

    def __init__(self):
        self.asked, self.recipients = 0, {}

    @property
    def own(self):
        return sum(share.own for share, _pair in self.recipients.values())

    @property
    def others(self):
        """(domain id, how many) of those who pass parts of it on."""
        found = {}
        for share, _pair in self.recipients.values():
            for domain, count in share.others.items():
                found[domain] = found.get(domain, 0) + count
        return tuple(sorted(found.items()))

    @property
    def pairs(self):
        return tuple(pair for _share, pair in self.recipients.values())


class Messages:
    """The envelopes of messages that are under way, by Postfix' ``instance``."""

    MOST_RECIPIENTS = 1000  # smtpd_recipient_limit; what is beyond is as if it were not known

    def __init__(self, largest=20_000):
        self.largest = largest
        self._envelopes = OrderedDict()

    def __len__(self):
        return len(self._envelopes)

    def get(self, instance):
        """The ``Envelope``, empty where nothing is known."""
        return self._envelopes.get(instance) or Envelope()

    def add(self, instance, recipient, share, pair):
        """Remember a recipient that was let in."""
        if not instance:
            return
        envelope = self._envelopes.setdefault(instance, Envelope())
        known = recipient in envelope.recipients
        if known or len(envelope.recipients) < self.MOST_RECIPIENTS:
            envelope.asked += 1
            envelope.recipients[recipient] = share, pair
        while len(self._envelopes) > self.largest:
            self._envelopes.popitem(last=False)

    def take(self, instance):
        """The ``Envelope``, which is forgotten by this; None where nothing is known."""
        return self._envelopes.pop(instance, None)


class Answers:
    """Answers that charged something, so that a request that comes twice is charged once.

    Postfix asks again when its connection broke.  After ``kill -9`` of the daemon this memory is
    gone: of the requests that were being answered then, those that had been committed are
    counted twice.
    """

    def __init__(self, seconds=600, largest=100_000):
        self.seconds, self.largest = seconds, largest
        self._answers = OrderedDict()  # key -> (until, answer or None while it is worked out)

    def __len__(self):
        return len(self._answers)

    def get(self, key, now):
        entry = self._answers.get(key)
        return entry[1] if entry and entry[0] >= now else None

    def put(self, key, answer, now):
        self._answers[key] = (now + self.seconds, answer)
        while self._answers:
            oldest = next(iter(self._answers))
            if len(self._answers) <= self.largest and self._answers[oldest][0] >= now:
                break
            del self._answers[oldest]
