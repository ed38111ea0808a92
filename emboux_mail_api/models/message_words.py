# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What happened to a message, in words: one sentence for each event of the message log."""

import re

from odoo.tools import human_size

#: Postfix says of whom an answer is; here the sentence does.
_SAID = re.compile(r"^host \S+ (?:said|refused to talk to me): ")

STATUS = [
    ("accepted", "Accepted"), ("held", "On Hold"), ("delayed", "Delayed"),
    ("delivered", "Delivered"), ("received", "Received"), ("failed", "Failed"),
    ("bounced", "Bounced"), ("complained", "Complained"), ("suppressed", "Suppressed"),
    ("canceled", "Canceled"), ("rejected", "Rejected"),
]  # fmt: skip


def describe(env, message, event):
    """A sentence in the user's language; an event that is not known is its name."""
    tell = _SENTENCES.get(event.get("kind"))
    return tell(env, message, event) if tell else event.get("kind", "")


def plain(text):
    """An answer, without whose it is."""
    return _SAID.sub("", text or "")


def _with_text(sentence, event):
    text = plain(event.get("text"))
    return f"{sentence.rstrip('.')}: {text}" if text else sentence


def _server(event):
    """The host's name alone; its address stands in the details."""
    relay = event.get("relay") or ""
    return "" if relay == "none" else relay.partition("[")[0]


def _accepted(env, message, event):
    size = event.get("size")
    values = {
        "size": human_size(size).replace(".00", "") if size else env._("a message"),
        "client": event.get("client") or env._("this server"), "login": event.get("login"),
    }
    if event.get("login"):
        return env._("%(login)s submitted %(size)s from %(client)s.", **values)
    if not event.get("client"):
        return env._("The mail server made this message.")
    return env._("%(client)s delivered %(size)s to this server.", **values)


def _rejected(env, message, event):
    code = " ".join(filter(None, (event.get("code"), event.get("dsn"))))
    sentence = env._(
        "%(client)s was told %(code)s", client=event.get("client") or env._("The client"),
        code=code or env._("no"))
    return _with_text(sentence, event)


def _suppressed(env, message, event):
    return _with_text(env._("It was not taken, because the recipient is suppressed."), event)


def _delivered(env, message, event):
    if message.direction in ("in", "internal"):
        return _with_text(env._("It is in the mailbox."), event)
    sentence = env._("%s took it.", _server(event) or env._("The next server"))
    return _encrypted(env, _with_text(sentence, event), event)


def _delayed(env, message, event):
    if server := _server(event):
        return _encrypted(env, _with_text(env._("%s put it off.", server), event), event)
    return _with_text(env._("It could not be delivered yet."), event)


def _failed(env, message, event):
    if server := _server(event):
        return _encrypted(env, _with_text(env._("%s refused it.", server), event), event)
    return _with_text(env._("It could not be delivered."), event)


def _encrypted(env, sentence, event):
    if not event.get("tls"):
        return sentence
    return env._("%(sentence)s (%(tls)s)", sentence=sentence, tls=event["tls"])


def _filed(env, message, event):
    where, why = event.get("where") or "", event.get("why") or ""
    what = event.get("what")
    if what == "stored":
        return env._("It was stored in the folder %s.", where)
    if what == "forwarded":
        return env._("The mailbox' rules forwarded it to %s.", where)
    if what == "discarded":
        return env._("The mailbox' rules discarded it.")
    if what == "failed":
        return env._("It was not stored in the folder %(folder)s: %(why)s", folder=where, why=why)
    return env._("The mailbox' rules: %s", " ".join(filter(None, (what, where, why))))


def _reported(env, message, event):
    number = event.get("queue_id")
    if event.get("what") == "delay":
        return env._("The sender was told of the delay (message %s).", number)
    if event.get("what") == "non-delivery":
        return env._("The sender was told that it was not delivered (message %s).", number)
    return env._("The sender was told that it was delivered (message %s).", number)


def _returned(env, message, event):
    what = {
        "bounced": env._("not delivered"), "delayed": env._("delayed"),
        "arrived": env._("delivered"), "complained": env._("a complaint"),
    }.get(event.get("what"), env._("an answer"))
    return _with_text(
        env._("%(by)s reports about this message without saying for which of its recipients: "
              "%(what)s.", by=event.get("by") or env._("Somebody"), what=what), event)


def _scheduled(env, message, event):
    until = event.get("until") or ""
    return env._("It is to be sent at %s.", until[:16].replace("T", " "))


_SENTENCES = {
    "accepted": _accepted,
    "rejected": _rejected,
    "suppressed": _suppressed,
    "delivered": _delivered,
    "delayed": _delayed,
    "failed": _failed,
    "filed": _filed,
    "reported": _reported,
    "returned": _returned,
    "relayed": lambda env, message, event: _with_text(
        env._("The provider's server %s took it.", _server(event)), event),
    "held": lambda env, message, event: _with_text(env._("It was put on hold."), event),
    "release_asked": lambda env, message, event: env._("%s released it.", event.get("by")),
    "discard_asked": lambda env, message, event: env._("%s discarded it.", event.get("by")),
    "deliver_asked": lambda env, message, event: env._(
        "%s asked for an attempt at once.", event.get("by")),
    "hold_asked": lambda env, message, event: env._("%s put it on hold.", event.get("by")),
    "fail_asked": lambda env, message, event: env._(
        "%s had it returned to its sender.", event.get("by")),
    "postpone_asked": lambda env, message, event: env._(
        "%(who)s put its next attempt off until %(when)s.", who=event.get("by"),
        when=(event.get("until") or "")[:16].replace("T", " ")),
    "wait_asked": lambda env, message, event: env._("%s lets it wait.", event.get("by")),
    "scheduled": _scheduled,
    "taken_back": lambda env, message, event: env._("It was taken back before its time."),
    "unsure": lambda env, message, event: _with_text(
        env._("The mail server did not say whether it took it."), event),
    "answered": lambda env, message, event: env._(
        "Something else came back to it, from %s.", event.get("by") or env._("somebody")),
    "released": lambda env, message, event: env._("It was released from hold."),
    "deleted": lambda env, message, event: env._("It was deleted from the queue."),
    "expired": lambda env, message, event: env._(
        "It was tried for too long, and returned to the sender."),
    "bounced": lambda env, message, event: _with_text(
        env._("It came back: %s reports that it was not delivered.",
              event.get("by") or env._("the recipient's server")), event),
    "complained": lambda env, message, event: _with_text(
        env._("The recipient complained about it."), event),
    "unsubscribed": lambda env, message, event: env._("The recipient unsubscribed."),
    "arrived": lambda env, message, event: _with_text(
        env._("%s reports that it was delivered.", event.get("by")), event),
}
