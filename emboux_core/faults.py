"""Places at which a test lets this process die, to prove that what is left behind is mended.

Nothing happens unless the process was started with the environment variable ``EMBOUX_FAULT``.
"""

import os
import signal

_AT = os.environ.get("EMBOUX_FAULT")


def point(name: str) -> None:
    """Die here as by ``kill -9`` if ``EMBOUX_FAULT`` is this name."""
    if name == _AT:
        os.kill(os.getpid(), signal.SIGKILL)
