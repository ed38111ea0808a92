"""Mailbox passwords: argon2id (RFC 9106) alone, made and checked nowhere else."""

import logging
import os
import re
import secrets
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError

# One of OWASP's five settings of equal strength for argon2id: about 15 ms here.  Not the one with
# the most memory, because several at once wait for each other's memory (14 instead of 8 ms each
# on two processors), and Dovecot verifies one at each login.
HASHER = PasswordHasher(time_cost=5, memory_cost=7168, parallelism=1, type=Type.ID)

SHORTEST, LONGEST = 8, 256  # characters
ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without 0O 1lI


_ARGON2ID = re.compile(
    r"\$argon2id\$v=19\$m=[0-9]{1,7},t=[0-9]{1,3},p=[0-9]{1,3}\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+"
)
_BCRYPT = re.compile(r"\$2[aby]\$(1[0-4])\$[./A-Za-z0-9]{53}")
#: What a hash from elsewhere may cost whoever logs in: enough to be safe, no more than Dovecot
#: can spend on every login.  (memory in KiB, passes, lanes)
_LEAST, _MOST = (7168, 1, 1), (262144, 10, 8)


class PasswordError(ValueError):
    """Why a password is not taken, as one plain sentence (without the password)."""


@dataclass(frozen=True)
class Hashed:
    """A password that has been checked and hashed before; no caller from outside can make one."""

    hash: str = field(repr=False)
    plain: str | None = field(default=None, repr=False)


def generate(length=20):
    """A random password in groups of five, easy to read out and to copy: 110 bits."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(length))
    return "-".join(letters[i : i + 5] for i in range(0, length, 5))


def check(password, email=""):
    """Raise ``PasswordError`` for a password that no mail server should take."""
    if len(password) < SHORTEST:
        raise PasswordError(f"The password is too short: it needs at least {SHORTEST} characters.")
    if len(password) > LONGEST:
        raise PasswordError(f"The password is too long: at most {LONGEST} characters.")
    if any(ord(character) < 32 or ord(character) == 127 for character in password):
        raise PasswordError("The password contains a control character, such as a line break.")
    if email and password.lower() in (email, email.partition("@")[0]):
        raise PasswordError("The password must not be the address itself.")
    if len(set(password)) < 4:
        raise PasswordError("The password repeats the same few characters; choose another one.")


class RedactHashes(logging.Filter):
    """The ORM logs a statement that failed with its values, and one may write a hash."""

    _IN_TEXT = re.compile(r"\$argon2[a-z]*\$[^\s'\"]+|\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")

    def filter(self, record):
        message = record.getMessage()
        if "$argon2" in message or "$2" in message:
            record.msg, record.args = self._IN_TEXT.sub("***", message), ()
        return True


def accept_hash(text):
    """A hash made elsewhere, argon2id in PHC format or bcrypt, as ``Hashed``.

    :raises PasswordError: another format, or a cost that is too low or absurdly high.
    """
    if _BCRYPT.fullmatch(text):
        return Hashed(text)
    try:
        if not _ARGON2ID.fullmatch(text):
            raise InvalidHashError
        found = extract_parameters(text)
    except (InvalidHashError, ValueError) as error:
        raise PasswordError("The hash is neither argon2id (PHC format) nor bcrypt.") from error
    cost = (found.memory_cost, found.time_cost, found.parallelism)
    fits = all(low <= value <= high for low, value, high in zip(_LEAST, cost, _MOST, strict=True))
    if found.type is not Type.ID or not fits or found.salt_len < 8 or found.hash_len < 16:
        raise PasswordError(
            "The hash has to be argon2id with 7 to 256 MiB, or bcrypt with a cost of 10 to 14."
        )
    return Hashed(text)


def hash_each(wanted, known=None, whose=None):
    """Check and hash each (password, address); its fault, if it has one, in its place.

    Returns a ``Hashed``, a ``PasswordError`` or None (for a password that is None) for each.

    :param known: what was hashed before, which is not hashed again; the new comes along.
    :param whose: what tells apart, in ``known``, two mailboxes of one password, else the address:
        equal passwords must not show by equal hashes.
    """
    if known is None:
        return _hash_each(wanted)
    count, keys = Counter(), []
    for (password, address), who in zip(wanted, whose or [w for _p, w in wanted], strict=True):
        key = password, who or address
        count[key] += 1
        keys.append((*key, count[key]))
    new = {key: pair for key, pair in zip(keys, wanted, strict=True)
           if pair[0] is not None and key not in known}
    known.update(zip(new, _hash_each(list(new.values())), strict=True))
    return [known.get(key) for key in keys]


def _hash_each(wanted):
    results = []
    for password, email in wanted:
        try:
            if password is not None:
                check(password, email)
            results.append(None)
        except PasswordError as error:
            results.append(error)
    good = [
        None if fault else password
        for (password, _email), fault in zip(wanted, results, strict=True)
    ]
    return [
        fault or (Hashed(made, password) if made else None)
        for fault, made, password in zip(results, hash_all(good), good, strict=True)
    ]


def hash_all(passwords):
    """Hash each password (None stays None), in threads: argon2 lets go of the interpreter."""
    wanted = [password for password in passwords if password]
    if len(wanted) > 1:
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            hashes = iter(list(pool.map(HASHER.hash, wanted)))
    else:
        hashes = iter([HASHER.hash(password) for password in wanted])
    return [next(hashes) if password else None for password in passwords]
