"""Stands between a mail program and a submission server, and writes down what they say.

    recorder = SmtpRecorder(certificate, key, ca_file, port).start()
    recorder.port
    recorder.sessions_for("ann@outside.example")[0].login
    recorder.stop()
"""

import base64
import socket
import ssl
import threading
from dataclasses import dataclass, field


@dataclass
class Session:
    """The commands of one connection: no content, and no password."""

    commands: list[str] = field(default_factory=list)
    login: str = ""
    in_content: bool = False

    def hear(self, line):
        text = line.decode(errors="replace").rstrip("\r\n")
        if self.in_content:
            self.in_content = text != "."
            return
        verb, _space, rest = text.partition(" ")
        if verb.upper() == "AUTH":
            mechanism, _space, first = rest.partition(" ")
            # PLAIN (RFC 4616) names the login between two zeros; it has the password behind
            self.login = base64.b64decode(first).decode().split("\0")[1]
            text = f"AUTH {mechanism} {self.login}"
        self.commands.append(text)

    def envelopes(self):
        """[(sender, [recipient])]"""
        made = []
        for command in self.commands:
            name, _colon, rest = command.partition(":")
            address = rest[rest.find("<") + 1:rest.find(">")]
            if name.upper() == "MAIL FROM":
                made.append((address, []))
            elif name.upper() == "RCPT TO":
                made[-1][1].append(address)
        return made


class SmtpRecorder:
    """``port``: of a server on this machine that speaks TLS from the start, as does this one."""

    def __init__(self, certificate, key, ca_file, port):
        self.sessions: list[Session] = []
        self._server_port = port
        self._here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._here.load_cert_chain(certificate, key)
        self._there = ssl.create_default_context(cafile=ca_file)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]

    def start(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self):
        self._listening.close()

    def sessions_for(self, recipient):
        """Those in which mail to this address was given."""
        return [session for session in self.sessions
                if any(recipient in to for _sender, to in session.envelopes())]

    def _accept(self):
        while True:
            try:
                connection, _address = self._listening.accept()
            except OSError:  # stopped
                return
            threading.Thread(target=self._relay, args=(connection,), daemon=True).start()

    def _relay(self, connection):
        session = Session()
        self.sessions.append(session)
        with (
            self._here.wrap_socket(connection, server_side=True) as client,
            self._there.wrap_socket(
                socket.create_connection(("localhost", self._server_port)),
                server_hostname="localhost") as server,
            client.makefile("rb") as said,
        ):
            answers = threading.Thread(
                target=self._hand_back, args=(server, client, session), daemon=True)
            answers.start()
            for line in said:
                session.hear(line)
                server.sendall(line)
            server.close()

    def _hand_back(self, server, client, session):
        with server.makefile("rb") as said:
            for line in said:
                session.in_content = session.in_content or line.startswith(b"354")
                client.sendall(line)
