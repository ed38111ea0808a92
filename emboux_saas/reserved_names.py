# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Names below the operator's wildcard parents that customers do not get: one list for all ways in.

Whoever has mail.example.com, admin.example.com or wpad.example.com might pass for the operator of
example.com, be asked by programs that look for their settings (RFC 2142, RFC 6186, RFC 8461, WPAD),
or be shown certificates for it.  Each stands for its numbered and hyphenated forms too: ``mail``
for mail2, mail-02 and ma-il, ``noreply`` for no-reply.
"""

import re

_WORDS = """
abuse account accounts admin administration administrator admins api auth authentication
autoconfig autodiscover autoresponder backup billing caldav carddav cdn cert certs checkout
compliance control cpanel dkim dmarc dns dovecot email emails emboux ftp ftps gateway helpdesk
hostmaster idp imap imaps internal intranet ipv4 ipv6 isatap ldap ldaps listserv local
localdomain localhost login logins logon logout mail mailbox mailer mailerdaemon mailers
mailgate mailgateway mailhost mailin mailout mailrelay mails mailserver managesieve master msa
mta mtasts mx my nameserver noc noreply notification notifications notify ns ntp oauth odoo
openid operator owncloud panel password passwords plesk policy pop pop3 pop3s pops portal
postfix postmaster privacy proxy radius redirect relay remote root router secure security
setup sftp sieve signin signup smtp smtps spf srv ssh ssl sso staff status submission
submissions subscribe support sysadmin telnet tls unsubscribe vpn webadmin webcal webdav
webhook webhooks webmail webmaster whm whois wpad ww www wwww zimbra
"""
RESERVED = frozenset(_WORDS.split())


def is_reserved(label: str) -> bool:
    """Whether a label (an A-label in lower case) is kept for the operator."""
    if label.startswith("_"):
        return True  # names of services (RFC 8552); no mail domain either
    plain = label.replace("-", "")
    return plain in RESERVED or re.sub("[0-9]+$", "", plain) in RESERVED
