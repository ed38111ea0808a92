from . import (
    account, aliases, domains, home, keys, mailboxes, records, rules, sending, signup,
)
