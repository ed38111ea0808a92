# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Mailbox passwords: argon2id (RFC 9106), hashed and checked nowhere else."""

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

MIN_LENGTH, MAX_LENGTH = 8, 256  # characters
ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without 0O 1lI


# Numbers without a leading zero: Dovecot's libsodium refuses them.
_ARGON2ID = re.compile(
    r"\$argon2id\$v=19\$m=[1-9][0-9]{0,6},t=[1-9][0-9]{0,2},p=[1-9][0-9]{0,2}"
    r"\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+"
)
_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
#: What a hash from elsewhere may cost.  At least what is safe; at most a few times ours, because
#: Dovecot checks the passwords of all log-ins in one process, one after the other, wrong ones
#: too: an expensive hash of one mailbox delays everybody.  What common tools make by themselves
#: fits: 64 MiB with 3 or 4 passes (argon2-cffi, PHP, doveadm), bcrypt at 10 to 12.
#: Measured on one core beside ours with 15 ms: the costliest argon2id 130 ms, bcrypt of 12 220.
_LEAST_MEMORY, _MAX_MEMORY = 7168, 102400  # KiB
_MAX_WORK = 8 * HASHER.memory_cost * HASHER.time_cost  # KiB x passes
_MAX_LANES = 8  # they do not add to the work
_BCRYPT_COSTS = range(10, 13)  # each step doubles the work
_SALT_BYTES, _HASH_BYTES = range(8, 65), range(16, 65)


_OTHER_COST = (
    "The hash costs too little or too much to check at each log-in. Take argon2id with 7 to 100 "
    f"MiB of memory, where MiB times passes are at most {_MAX_WORK // 1024}, and at most "
    f"{_MAX_LANES} lanes (for example m=19456,t=2,p=1), or bcrypt with a cost of "
    f"{_BCRYPT_COSTS[0]} to {_BCRYPT_COSTS[-1]}; or give the password instead."
)


#: In the place of a hash, as in shadow(5): the password is kept by the platform alone.
ELSEWHERE = "*"


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
    if len(password) < MIN_LENGTH:
        raise PasswordError(
            f"The password is too short: it needs at least {MIN_LENGTH} characters."
        )
    if len(password) > MAX_LENGTH:
        raise PasswordError(f"The password is too long: at most {MAX_LENGTH} characters.")
    if any(ord(character) < 32 or ord(character) == 127 for character in password):
        raise PasswordError("The password contains a control character, such as a line break.")
    if email and password.lower() in (email, email.partition("@")[0]):
        raise PasswordError("The password must not be the address itself.")
    if len(set(password)) < 4:
        raise PasswordError("The password repeats the same few characters; choose another one.")


class RedactHashes(logging.Filter):
    """The ORM logs failed statements with their values, among which may be a hash."""

    _IN_TEXT = re.compile(r"\$argon2[a-z]*\$[^\s'\"]+|\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")

    def filter(self, record):
        message = record.getMessage()
        if "$argon2" in message or "$2" in message:
            record.msg, record.args = self._IN_TEXT.sub("***", message), ()
        return True


def accept_hash(text):
    """A hash made elsewhere, argon2id in PHC format or bcrypt, as ``Hashed``.

    :raises PasswordError: another format, or a cost that is too low, or too high for a server
        where everybody's log-ins wait for each other.
    """
    found = _BCRYPT.fullmatch(text)
    if found:
        if int(found[1]) in _BCRYPT_COSTS:
            return Hashed(text)
        raise PasswordError(_OTHER_COST)
    try:
        if not _ARGON2ID.fullmatch(text):
            raise InvalidHashError
        found = extract_parameters(text)
    except (InvalidHashError, ValueError) as error:
        raise PasswordError(
            "The hash is neither argon2id (PHC format) nor bcrypt. Give the password instead."
        ) from error
    if not (
        _LEAST_MEMORY <= found.memory_cost <= _MAX_MEMORY
        and found.memory_cost * found.time_cost <= _MAX_WORK
        and found.parallelism <= _MAX_LANES
        and found.salt_len in _SALT_BYTES
        and found.hash_len in _HASH_BYTES
    ):
        raise PasswordError(_OTHER_COST)
    return Hashed(text)


def keep_elsewhere(password, address):
    """A password that only its platform is told, as ``Hashed``, or the ``PasswordError``."""
    try:
        check(password, address)
    except PasswordError as error:
        return error
    return Hashed(ELSEWHERE, password)


def hash_each(wanted, known=None, whose=None):
    """Check and hash each (password, address); an error takes the place of its hash.

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
    """Hash each password (None stays None), in threads: argon2 releases the GIL."""
    wanted = [password for password in passwords if password]
    if len(wanted) > 1:
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            hashes = iter(list(pool.map(HASHER.hash, wanted)))
    else:
        hashes = iter([HASHER.hash(password) for password in wanted])
    return [next(hashes) if password else None for password in passwords]
