# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Forms of the portal: the values entered, and their errors."""

from contextlib import contextmanager
from datetime import date

import psycopg2

from odoo.exceptions import AccessError, MissingError, UserError
from odoo.http import request

from odoo.addons.emboux_core import addresses, passwords
from odoo.addons.emboux_core.models.errors import (
    MAX_LINE_LENGTH,
    MAX_TEXT_LENGTH,
    control_character,
)

WHOLE = ""  # errors that belong to no field


def customer_message(error):
    """The error, in the customer's language.

    The parts that know nothing of Odoo speak English; in another language a sentence of ours
    says the same less exactly.
    """
    env = request.env
    if not (env.lang or "en").startswith("en"):
        causes = (error, error.__cause__)  # models wrap them
        if any(isinstance(cause, passwords.PasswordError) for cause in causes):
            return env._(
                "Please choose another password: 8 to 256 characters, of which some differ, and "
                "not the address itself."
            )
        if any(isinstance(cause, addresses.AddressError) for cause in causes):
            return env._(
                "This is not valid. A domain is like example.com, an address like info@example.com."
            )
    return str(error)


class Form:
    """The values of a form's fields, and their errors by field name."""

    def __init__(self, typed=None, **defaults):
        """:param typed: what was sent; without it the fields show the defaults."""
        self.sent = typed is not None
        self.values = {
            name: typed.get(name, "") if self.sent else value for name, value in defaults.items()
        }
        self.errors = {}
        for name, value in self.values.items() if self.sent else ():
            if isinstance(value, str) and not name.startswith("password"):
                self._refuse_unfit(name, value)

    def _refuse_unfit(self, name, value):
        """Refuse what no field can hold before it is processed, and do not show it again."""
        if len(value) > MAX_TEXT_LENGTH:
            self.values[name] = ""
            self.refuse(name, request.env._("This is too long."))
        elif found := control_character(value, lines=True):
            self.values[name] = ""
            self.refuse(name, request.env._(
                "This contains the control character %s. Please type it again by hand.", found))

    def __getitem__(self, name):
        return (self.values[name] or "").strip()

    def ticked(self, name):
        return bool(self.values[name])

    def refuse(self, name, sentence):
        self.errors.setdefault(name, sentence)

    def required(self, *names):
        for name in names:
            if not self[name]:
                self.refuse(name, request.env._("Please fill this in."))

    def one_line(self, *names):
        """A name: one line of limited length."""
        for name in names:
            if len(self[name]) > MAX_LINE_LENGTH or control_character(self[name]):
                self.refuse(name, request.env._(
                    "Please enter one line of at most %s characters.", MAX_LINE_LENGTH))

    def number(self, name):
        """A whole number that is 0 or more."""
        text = self[name].replace(" ", "")
        if text.isascii() and text.isdigit() and len(text) <= 9:
            return int(text)
        self.refuse(name, request.env._("Please enter a whole number."))
        return 0

    def day(self, name):
        """A date, or False where none was given."""
        try:
            return date.fromisoformat(self[name]) if self[name] else False
        except ValueError:
            self.refuse(name, request.env._("Please enter a date such as 2030-12-31."))
            return False

    def password(self, name, address):
        """The password, which is not stripped, and never shown again."""
        password = self.values[name] or ""
        self.values[name] = ""
        if not password:
            self.refuse(name, request.env._("Please fill this in."))
            return password
        try:
            passwords.check(password, address)
        except passwords.PasswordError as error:
            self.refuse(name, customer_message(error))
        return password

    @contextmanager
    def at(self, name, elsewhere=None):
        """Roll back a refusal in this block, and show it at this field.

        :param elsewhere: kind of error to the field at which that kind is said.
        """
        try:
            with request.env.cr.savepoint():
                yield
        except (AccessError, MissingError):
            raise
        except UserError as error:
            fields = [field for kind, field in (elsewhere or {}).items() if isinstance(error, kind)]
            self.refuse((fields or [name])[0], customer_message(error))
        except psycopg2.IntegrityError as error:
            self.refuse(name, request.env["emboux.bulk.mixin"]._why(error)[1])

    @property
    def is_good(self):
        return self.sent and not self.errors
