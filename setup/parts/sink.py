"""The outside world: a server that takes all mail and keeps it (see ``setup/sink.py``)."""

from pathlib import Path

from .supervisor import Service, listening

PACKAGES = ()
PROGRAM = Path(__file__).resolve().parent.parent / "sink.py"


def maildir(state):
    return state.path("mail", "sink")


def empty(state):
    """Forget what an earlier run sent."""
    for path in maildir(state).glob("*/*"):
        path.unlink()


def prepare(state):
    for name in ("new", "cur", "tmp"):
        state.folder("mail", "sink", name)


def services(state):
    return [
        Service(
            "sink",
            (
                str(state.code / "venv" / "bin" / "python"), "-u", str(PROGRAM),
                "--port", str(state.port("sink")), "--maildir", str(maildir(state)),
                "--certificate", str(state.path("tls", "cert.pem")),
                "--key", str(state.path("tls", "key.pem")),
            ),
            ready=listening(state.port("sink")),
        )
    ]
