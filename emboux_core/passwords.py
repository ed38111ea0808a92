"""Mailbox passwords: argon2id (RFC 9106) alone, made and checked nowhere else."""

import os
import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher, Type

# OWASP's minimum for argon2id: about 20 ms here.  Dovecot verifies it at each login.
HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1, type=Type.ID)

SHORTEST, LONGEST = 8, 256  # characters
ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without 0O 1lI


class PasswordError(ValueError):
    """Why a password is not taken, as one plain sentence (without the password)."""


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


def hash_all(passwords):
    """Hash each password (None stays None), in threads: argon2 lets go of the interpreter."""
    wanted = [password for password in passwords if password]
    if len(wanted) > 1:
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            hashes = iter(list(pool.map(HASHER.hash, wanted)))
    else:
        hashes = iter([HASHER.hash(password) for password in wanted])
    return [next(hashes) if password else None for password in passwords]
