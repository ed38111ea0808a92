from . import models


def uninstall_hook(env):
    """Nothing is published any more: the views go, and with them what Dovecot counted."""
    env.cr.execute("DROP SCHEMA IF EXISTS emboux_mail CASCADE")
