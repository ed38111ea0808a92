"""Postfix' queue commands without Postfix: the same arguments in, the same output out."""

import itertools
import json

_IDS = itertools.count(0xABC000)


class Ended(BaseException):
    """What ``kill -9`` would be; nothing catches it."""


class FakePostfix:
    """``run`` stands in for ``postqueue.run``.  ``die_at``: the number of the command at whose end,
    or with ``before`` at whose beginning, the agent is ended."""

    def __init__(self):
        self.messages = {}  # id -> dict
        self.commands, self.delivered, self.deleted = [], [], []
        self.failed, self.tried = [], []
        self.die_at = self.before = None
        self.failing = None
        self.reloads = 0

    def add(self, login, *recipients, queue="deferred", sender=None, tried=True, arrived=None):
        queue_id = f"{next(_IDS):X}99"
        self.messages[queue_id] = {
            "login": login, "recipients": recipients, "queue": queue,
            "sender": login if sender is None else sender, "tried": tried,
            "arrived": arrived or 1_795_000_000 + len(self.messages)}
        return queue_id

    def queue_of(self, queue_id):
        return self.messages.get(queue_id, {}).get("queue")

    def run(self, argv, text="", largest=0):
        program, config, *arguments = argv[0].rpartition("/")[2], *argv[2:]
        assert (argv[1], config) == ("-c", "/fake")
        self.commands.append((program, *arguments[:1]))
        if self.die_at == len(self.commands) and self.before:
            raise Ended
        if self.failing == program:
            return 1, "", f"{program}: fatal: the queue is away"
        answer = getattr(self, f"_{program}")(arguments, text)
        if self.die_at == len(self.commands):
            raise Ended
        return answer

    def _postfix(self, arguments, _text):
        assert arguments == ["reload"]
        self.reloads += 1
        return 0, "", ""

    def _postqueue(self, arguments, _text):
        if arguments[0] == "-i":
            self.tried.append(arguments[1])
            return 0, "", ""
        lines = [json.dumps({
            "queue_name": m["queue"], "queue_id": queue_id, "arrival_time": m["arrived"],
            "message_size": 1000, "forced_expire": False, "sender": m["sender"],
            "recipients": [{"address": to, **({"delay_reason": "later"} if m["tried"] else {})}
                           for to in m["recipients"]]}) for queue_id, m in self.messages.items()]
        return 0, "".join(f"{line}\n" for line in lines), ""

    def _postcat(self, arguments, _text):
        said = ""
        for queue_id in arguments[2:]:
            m = self.messages.get(queue_id)
            if m is None:
                return 1, said, f"postcat: fatal: open queue file {queue_id}: No such file"
            said += f"*** ENVELOPE RECORDS {m['queue']}/{queue_id} ***\n"
            if m["login"]:
                said += f"named_attribute: sasl_username={m['login']}\n"
            said += f"sender: {m['sender']}\n"
            for to in m["recipients"]:
                said += f"original_recipient: {to}\nrecipient: {to}\n"
            said += f"*** MESSAGE FILE END {m['queue']}/{queue_id} ***\n"
        return 0, said, ""

    def _postsuper(self, arguments, text):
        assert arguments[1] == "-", "ids come in on standard input"
        for queue_id in text.split():
            m = self.messages.get(queue_id)
            if m is None:
                continue
            if arguments[0] == "-h" and m["queue"] != "hold":
                m["queue"] = "hold"
            elif arguments[0] == "-H" and m["queue"] == "hold":
                m["queue"] = "deferred"
                self.delivered.append(queue_id)
            elif arguments[0] == "-f":
                del self.messages[queue_id]
                self.failed.append(queue_id)
            elif arguments[0] == "-d" and m["queue"] in arguments[2:]:
                del self.messages[queue_id]
                self.deleted.append(queue_id)
        return 0, "", ""
