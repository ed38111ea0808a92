# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Until when the certificate of Postfix' SMTP server is valid: one that has ended stops mail."""

import re
import ssl
import subprocess
import time

LOOK_SECONDS = 3600.0
WARN_DAYS = 10  # a certificate of ninety days is usually renewed a month before its end
_SECONDS = 10


class Certificate:
    """``config``: Postfix' configuration folder."""

    def __init__(self, config):
        self._config, self._again = config, 0.0
        self.ends = None  # seconds since 1970; None: there is none, or it cannot be read

    def look(self):
        """Once an hour; returns ``ends``."""
        if time.monotonic() >= self._again:
            self._again = time.monotonic() + LOOK_SECONDS
            self.ends = self._look()
        return self.ends

    def warning(self):
        left = (self.ends - time.time()) / 86_400 if self.ends else WARN_DAYS
        if left < 0:
            return "The certificate of Postfix' SMTP server has ended."
        return (f"The certificate of Postfix' SMTP server ends in {int(left)} days."
                if left < WARN_DAYS else None)

    def _look(self):
        # main.cf may name it by either, the former first (Postfix 3.4)
        said = _run("/usr/sbin/postconf", "-c", self._config, "-xh", "smtpd_tls_chain_files",
                    "smtpd_tls_cert_file") or ""
        files = [name for name in re.split(r"[\s,]+", said) if name.startswith("/")]
        ends = [moment for name in files if (moment := _end_of(name))]
        return min(ends, default=None)


def _end_of(name):
    """The first certificate of a file, which is the server's own; None: there is none in it."""
    said = _run("/usr/bin/openssl", "x509", "-in", name, "-noout", "-enddate")
    return ssl.cert_time_to_seconds(said.strip().removeprefix("notAfter=")) if said else None


def _run(*argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, check=False,
                              stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
