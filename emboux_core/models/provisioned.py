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

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
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

    def _provision(self):
        """Tell each record's backend how it should be."""
        for backend, records in self.grouped("backend_id").items():
            client = backend._client()
            with backend_errors(self.env, backend.name):
                for record in records:
                    record._provision_ensure(client)

    def _provision_key(self):
        """What the backend knows the record by."""
        raise NotImplementedError

    def _provision_ensure(self, client):
        """Call the ``ensure_*`` method that fits."""
        raise NotImplementedError

    @api.model
    def _provision_delete(self, client, key):
        """Call the ``delete_*`` method that fits."""
        raise NotImplementedError
