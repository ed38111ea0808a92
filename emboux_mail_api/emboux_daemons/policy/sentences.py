# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What a sender reads: one plain sentence, ASCII, one line.

Mail programs show it as it is, behind Postfix' own "Recipient address rejected:".  It names the
limit, what was used of it, and when to try again; for what time does not heal, whom to ask.
"""

#: By which others know such a refusal again.
SUPPRESSED = "is on the suppression list"
_REASONS = {
    "bounce": "mail to it came back as undeliverable",
    "complaint": "its owner complained about mail",
    "unsubscribe": "its owner does not want mail",
    "manual": "the operator has entered it",
}


def plain(text, longest=300):
    """Text that cannot break the protocol: printable ASCII, no line ends."""
    return " ".join(str(text).encode("ascii", "replace").decode().split()).translate(
        _UNPRINTABLE)[:longest]


_UNPRINTABLE = dict.fromkeys([*range(32), 127], "?")


def suppressed(recipient, reason):
    return plain(f"{recipient} {SUPPRESSED}: {_REASONS.get(reason, reason)}")


def all_suppressed(recipient, end, reason):
    return plain(f"{recipient} leads to nobody who may get mail: {suppressed(end, reason)}")


def loop_of_aliases(recipient):
    return plain(f"Mail for {recipient} would go round in a circle of aliases; "
                 "ask its administrator")


def too_many(recipient, limit):
    return plain(f"{recipient} leads to more than the {limit} addresses that it may lead to; "
                 "ask its administrator")


def too_deep(recipient, limit):
    return plain(f"{recipient} leads through more than {limit} aliases; ask its administrator")


def passes_nothing_on(recipient):
    return plain(f"{recipient} passes its mail on, and its domain may not send now; "
                 "ask its administrator")


def passes_on_later(recipient, retry_at):
    when = f", try again at {retry_at:%Y-%m-%d %H:%M} UTC" if retry_at else ", try again later"
    return plain(f"{recipient} passes its mail on, and its sending limit is reached{when}")


def mailbox_suspended(login):
    return plain(f"The mailbox {login} is suspended and may not send; ask its administrator")


def suspended(domain):
    return plain(f"The domain {domain} is suspended; ask its administrator")


def blocked(domain, reason):
    why = f": {reason}" if reason else ""
    return plain(f"Sending is suspended for {domain}{why}; ask its administrator")


def unverified(domain):
    return plain(f"The domain {domain} is not verified yet: publish its DNS records, "
                 "then send again")


def over_transfer(domain):
    return plain(f"The domain {domain} has used up its traffic of this month; its mail waits for "
                 "the next month, or ask its administrator")


def unknown(login):
    return plain(f"{login} is no mailbox that may send here")


def per_message(domain, limit):
    return plain(f"{domain} may send one message to at most {limit} recipients; "
                 "send it to the others apart")


def loop(sender, recipient, times, retry_at):
    return plain(f"{sender} has sent {times} messages to {recipient} within this hour, which looks "
                 f"like a loop, try again at {retry_at:%H:%M} UTC")


def over(unit, cap, count, retry_at, now):
    """The sentence of a limit that would be passed; ``cap`` is a ``decision.Cap``."""
    what = f"{cap.limit} {_plural(unit, cap.limit)}"
    if cap.rule == "warmup":
        limit = f"{cap.who} is warming up, today's limit of {what}"
    elif cap.rule == "spike":
        limit = f"{cap.who} sends far more than on its usual days, today's limit of {what}"
    else:
        limit = f"{cap.who} sending limit of {what} per {cap.window}"
    if cap.used + count <= cap.limit:  # never, for whom the message is too big
        raise ValueError("The message is within the limit.")
    if count > cap.limit:
        fits = f"is less than this message to {count}, send it to fewer at a time"
        return plain(f"{limit} {fits} (used {cap.used})")
    reached = "reached" if cap.used >= cap.limit else f"leaves {cap.limit - cap.used}"
    when = f"{retry_at:%H:%M} UTC"
    if cap.window == "month":
        when = f"{retry_at:%Y-%m-%d %H:%M} UTC"
    return plain(f"{limit} {reached} (used {cap.used}), try again at {when}")


def _plural(unit, number):
    return unit.removesuffix("s") if number == 1 else unit
