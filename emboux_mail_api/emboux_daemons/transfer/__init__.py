"""What the domains' mail has moved, read from the logs of Postfix and Dovecot.

Plain Python: ``lines.py`` understands one line, ``book.py`` adds up, ``logs.py`` reads files that
are rotated, ``store.py`` talks to PostgreSQL, ``follow.py`` does one round after the other.
"""
