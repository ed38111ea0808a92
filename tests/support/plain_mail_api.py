"""The plain Python parts of ``emboux_mail_api`` as a package that does not import Odoo.

    from support.plain_mail_api.queue import rules
"""

from pathlib import Path

__path__ = [str(Path(__file__).resolve().parents[2] / "emboux_mail_api")]
