"""A pytest plugin: passwords and RSA keys cost the add-ons' own tests little.

Odoo hashes each password six hundred thousand times, and a DKIM key takes a tenth of a second: a
sixth of the time of tests that want users and domains, not those.  The tests in ``tests/`` have
Odoo's hashes and a key of its own for each domain.
"""

import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from odoo.addons.base.models import res_users

KEYS = 16  # real ones; a test that compares keys makes fewer


@pytest.fixture(scope="session", autouse=True)
def quick_secrets(load_registry):
    make = rsa.generate_private_key
    keys = itertools.cycle([make(public_exponent=65537, key_size=2048) for _ in range(KEYS)])

    def generate(public_exponent, key_size):
        if (public_exponent, key_size) == (65537, 2048):
            return next(keys)
        return make(public_exponent, key_size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(res_users, "MIN_ROUNDS", 1)
        patch.setattr(rsa, "generate_private_key", generate)
        yield
