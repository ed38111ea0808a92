

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
            self.assertTrue(password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$"))
        self.assertTrue(PasswordHasher().verify(one, "first secret"))
        self.assertTrue(PasswordHasher().verify(two, "second secret"))

    def test_weak_ones_are_refused_without_being_quoted(self):
        bad = ["hunter2", "x" * 300, "line\nbreak1", "aaaaaaaaaaaa", "ann@a.example"]
        for password in bad:
            with self.assertRaises(passwords.PasswordError) as caught:
                passwords.check(password, "ann@a.example")
            self.assertNotIn(password, str(caught.exception))
