"""The queue of the world's Postfix."""

import json

from parts import system


def postqueue(state, option):
    """As root: nobody else may name another configuration, or has /usr/sbin in their path."""
    return system.run(system.as_root(
        ["/usr/sbin/postqueue", "-c", str(state.path("postfix", "etc")), option]))


def flush(state):
    postqueue(state, "-f")


def deferred(state):
    """The recipients of the mail that waits in Postfix' queue."""
    listing = postqueue(state, "-j")
    mails = [json.loads(line) for line in listing.splitlines()]
    return [r["address"] for m in mails if m["queue_name"] == "deferred" for r in m["recipients"]]
