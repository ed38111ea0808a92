"""Many rows at once: as few statements as for one batch, and a bad row harms no other."""

import psycopg2

from odoo import api, models
from odoo.exceptions import AccessError, UserError, ValidationError

BATCH = 200


class Bulk(models.AbstractModel):
    _name = "emboux.bulk"
    _description = "Many Rows, Each by Itself"

    def _each(self, rows, do):
        """Run ``do`` (values list to records) over rows, in halves where one of them fails.

        ``rows``: number to values.  Returns number to record, and number to (status, sentence).
        """
        done, refused = {}, {}
        waiting = [list(rows)[at : at + BATCH] for at in range(0, len(rows), BATCH)][::-1]
        while waiting:  # in the order of the rows: of two that want one address the first gets it
            numbers = waiting.pop()
            try:
                with self.env.cr.savepoint():
                    records = do([rows[number] for number in numbers])
            except (UserError, psycopg2.IntegrityError) as error:
                if len(numbers) > 1:
                    half = len(numbers) // 2
                    waiting += [numbers[half:], numbers[:half]]
                else:
                    refused[numbers[0]] = self._why(error)
            else:
                done |= dict(zip(numbers, records, strict=True))
        return dict(sorted(done.items())), refused

    def _why(self, error):
        """The status that the single call would have had, and the sentence."""
        if isinstance(error, psycopg2.IntegrityError):
            # the words are with the model whose table refused: the address is taken elsewhere
            refusing = [name for name, model in self.env.registry.items()
                        if model._table == error.diag.table_name]
            return 409, self.env[(refusing or [self._name])[0]]._sql_error_to_message(error)
        if isinstance(error, AccessError):
            return 403, self.env._("This key may not do that")
        if isinstance(error, ValidationError):
            return 422, str(error)
        return 409 if type(error) is UserError else error.http_status, str(error)


class MailboxBulk(models.Model):
    _name = "emboux.mailbox"
    _inherit = ["emboux.mailbox", "emboux.bulk"]

    @api.model
    @api.private
    def _create_each(self, rows):
        """Make mailboxes; see ``emboux.bulk``."""
        refused = self._refused_beforehand(
            {number: (row["local_part"], row["domain_id"]) for number, row in rows.items()}
        )
        free = {number: row for number, row in rows.items() if number not in refused}
        made, more = self._each(free, self.create)
        return made, refused | more

    @api.model
    @api.private
    def _refused_beforehand(self, places):
        """What is certain to be refused, with one look-up for all: a host repeats his import with
        a thousand addresses that are there.

        ``places``: number to (local part, domain id).  Returns number to (status, sentence).
        """
        names = {domain.id: domain.name for domain in
                 self.env["emboux.domain"].browse({domain for _local, domain in places.values()})}
        wanted = {number: f"{local.lower()}@{names[domain]}"
                  for number, (local, domain) in places.items()}
        # as superuser: the register of addresses is nobody's to read
        taken = set(self.env["emboux.address"].sudo().search(
            [("email", "in", list(wanted.values())), ("domain_id", "in", list(names))]
        ).mapped("email"))
        message = self.env["emboux.address"]._email_unique.get_error_message(self, None)
        refused = {number: (409, message) for number, email in wanted.items() if email in taken}
        room = self._room(names)
        for number, (_local, domain) in places.items():
            if number in refused or domain not in room:
                continue
            if room[domain] <= 0:
                refused[number] = (409, self._limit_sentence(domain))
            room[domain] -= 1
        return refused


class AliasBulk(models.Model):
    _name = "emboux.alias"
    _inherit = ["emboux.alias", "emboux.bulk"]

    @api.model
    @api.private
    def _upsert_each(self, rows):
        """Make or change aliases; number to (alias, whether it is new), and the refusals."""
        names = {row["domain_id"] for row in rows.values()}
        found = self.search([("domain_id", "in", list(names))]) if rows else self
        present = {(alias.domain_id.id, alias.local_part or ""): alias for alias in found}
        done, refused = {}, {}
        while rows:
            new, changed, later, first = {}, {}, {}, set()
            for number, row in rows.items():
                address = (row["domain_id"], (row["local_part"] or "").lower())
                if alias := present.get(address):
                    changed[number] = (alias, row)
                elif address in first:  # the second of one address finds the first one
                    later[number] = row
                else:
                    first.add(address)
                    new[number] = row
            made, refused_now = self._each(new, self.create)
            refused |= refused_now
            for number, alias in made.items():
                done[number] = (alias, True)
                present[alias.domain_id.id, alias.local_part or ""] = alias
            again = {number: (alias, row["destinations"])
                     for number, (alias, row) in changed.items()
                     if alias.destinations != row["destinations"]}
            _written, refused_now = self._each(again, self._lead_to)
            refused |= refused_now
            done |= {number: (alias, False) for number, (alias, _row) in changed.items()
                     if number not in refused_now}
            rows = later
        return done, refused

    @api.model
    def _lead_to(self, pairs):
        """Write each alias' own destinations; what is the same for all of them is done once."""
        for alias, destinations in pairs:
            alias.destinations = destinations
        return [alias for alias, _destinations in pairs]
