# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).



import threading
from unittest import mock

from argon2 import PasswordHasher

from .. import passwords
from .dns_server import PlainTest


class TestPasswords(PlainTest):
    def test_generated_ones_differ_and_are_taken(self):
        made = {passwords.generate() for _ in range(50)}
        self.assertEqual(len(made), 50)
        for password in made:
            passwords.check(password)

    def test_hash_is_argon2id_and_verifies(self):
        one, none, two = passwords.hash_all(["first secret", None, "second secret"])
        self.assertIsNone(none)
        for password_hash in (one, two):
            self.assertTrue(password_hash.startswith("$argon2id$v=19$m=7168,t=5,p=1$"))
        self.assertTrue(PasswordHasher().verify(one, "first secret"))
        self.assertTrue(PasswordHasher().verify(two, "second secret"))

    def test_many_are_hashed_in_several_threads_at_once(self):
        """A thousand in one call: the threads meet, which one after the other could not."""
        threads, meeting = set(), threading.Barrier(2, timeout=20)

        def hashed(hasher, password):
            first = threading.get_ident() not in threads
            threads.add(threading.get_ident())
            if first and len(threads) <= 2:
                meeting.wait()
            return f"hash of {password}"

        wanted = [(f"password number {n}", "") for n in range(1000)]
        with mock.patch.object(PasswordHasher, "hash", hashed), mock.patch.object(
            passwords.os, "cpu_count", lambda: 2
        ):
            made = passwords.hash_each(wanted)
        self.assertEqual([one.hash for one in made], [f"hash of {word}" for word, _ in wanted])
        self.assertEqual(len(threads), 2)
        self.assertNotIn(threading.get_ident(), threads)

    def test_cached_passwords_are_not_hashed_again(self):
        known, wanted = {}, [("first secret", "a@x.example"), (None, "b@x.example"),
                             ("first secret", "c@x.example"), ("short", "d@x.example")]
        made = passwords.hash_each(wanted, known)
        self.assertNotEqual(made[0].hash, made[2].hash, "equal passwords do not show")
        self.assertIsNone(made[1])
        self.assertIsInstance(made[3], passwords.PasswordError)
        with mock.patch.object(PasswordHasher, "hash", side_effect=AssertionError):
            self.assertEqual(passwords.hash_each(wanted, known), made)
        twice = passwords.hash_each([wanted[0]] * 2, known)
        self.assertEqual(twice[0], made[0])
        self.assertNotEqual(twice[0].hash, twice[1].hash)

    def test_weak_ones_are_refused_without_being_quoted(self):
        bad = ["hunter2", "x" * 300, "line\nbreak1", "aaaaaaaaaaaa", "ann@a.example"]
        for password in bad:
            with self.assertRaises(passwords.PasswordError) as caught:
                passwords.check(password, "ann@a.example")
            self.assertNotIn(password, str(caught.exception))

    def test_kept_elsewhere_it_is_checked_and_nothing_is_made_of_it(self):
        kept = passwords.keep_elsewhere("first secret", "ann@acme.example")
        self.assertEqual((kept.hash, kept.plain), (passwords.ELSEWHERE, "first secret"))
        self.assertIsInstance(
            passwords.keep_elsewhere("short", "ann@acme.example"), passwords.PasswordError)
