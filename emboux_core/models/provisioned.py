from odoo import api, models

from .errors import backend_errors


class Provisioned(models.AbstractModel):
    """A record that its domain's backend makes true: the one door for every change.

    Forms, imports, crons and interfaces all write records; this mixin is the only place
    that then tells the backend.
    """

    _name = "emboux.provisioned"
    _description = "Provisioned on a Mail Backend"

    #: Fields whose change the backend has to be told.
    _provisioned_fields = frozenset()
    #: False where the model's own ``create`` has more to do before the backend is told.
    _provision_on_create = True

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        if self._provision_on_create:
            records._provision()
        return records

    def write(self, vals):
        done = super().write(vals)
        if not self._provisioned_fields.isdisjoint(vals):
            self._provision()
        return done

    def unlink(self):
        removals = [
            (backend, [record._provision_key() for record in records])
            for backend, records in self.grouped("backend_id").items()
        ]
        done = super().unlink()
        for backend, keys in removals:
            client = backend._client()
            with backend_errors(self.env, backend.name):
                for key in keys:
                    self._provision_delete(client, key)
        return done

    def _provision(self, secrets=None):
        """Tell each record's backend how it should be.

        ``secrets``: record id to what is told now and stored nowhere, a new password.
        """
        for backend, records in self.grouped("backend_id").items():
            client = backend._client()
            with backend_errors(self.env, backend.name):
                for record in records:
                    record._provision_ensure(client, (secrets or {}).get(record.id))

    def _provision_key(self):
        """What the backend knows the record by."""
        raise NotImplementedError

    def _provision_ensure(self, client, secret=None):
        """Call the ``ensure_*`` method that fits."""
        raise NotImplementedError

    @api.model
    def _provision_delete(self, client, key):
        """Call the ``delete_*`` method that fits."""
        raise NotImplementedError
