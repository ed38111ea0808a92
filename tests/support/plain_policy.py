"""The outgoing policy as a package that does not import Odoo.

    from support.plain_policy import decision
"""

from pathlib import Path

__path__ = [str(Path(__file__).resolve().parents[2] / "emboux_mail_api" / "policy")]
