# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Places at which a test kills this process, to prove that what it leaves behind is repaired.

For tests only: nothing happens unless the process was started with the environment variable
``EMBOUX_FAULT``, which names one of the places:

``publish:claimed``   what may be in the zone from now on is written down, nothing has been sent
``publish:sent``      the zone is changed, what came of it is not written down yet
``withdraw:sent``     the records are out of the zone, and still written down as being there
``outgoing:widened``  a mailbox may send for its domain, and no outgoing server is made yet
"""

import os
import signal

_AT = os.environ.get("EMBOUX_FAULT")


def point(name: str) -> None:
    """Die here as by ``kill -9`` if ``EMBOUX_FAULT`` is this name."""
    if name == _AT:
        os.kill(os.getpid(), signal.SIGKILL)
