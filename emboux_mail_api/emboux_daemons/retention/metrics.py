# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What was removed, for Prometheus."""

from ..exposition import Counter


class Metrics:
    def __init__(self):
        self._mailboxes = Counter(
            "emboux_retention_mailboxes_total", "Mailboxes that were looked at.", "outcome",
            known=[("done",), ("failed",)])
        self._messages = Counter(
            "emboux_retention_messages_total", "Messages that were removed.")
        self._folders = Counter(
            "emboux_retention_folders_total", "Folders of deleted mailboxes.", "outcome",
            known=[("deleted",), ("failed",)])

    def mailbox(self, removed):
        self._mailboxes.add("done")
        self._messages.add(by=removed)

    def failed(self):
        self._mailboxes.add("failed")

    def folders(self, deleted, failed):
        self._folders.add("deleted", by=deleted)
        self._folders.add("failed", by=failed)

    def families(self):
        for counter in (self._mailboxes, self._messages, self._folders):
            yield counter.family()
