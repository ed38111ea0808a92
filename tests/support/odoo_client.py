"""Odoo over its external API, as a script of a customer would use it."""

import xmlrpc.client


class Odoo:
    """``odoo("emboux.mailbox").create({...})`` calls the method over XML-RPC."""

    def __init__(self, url, db, login, password):
        self.url, self.db, self.login, self.password = url, db, login, password
        self.uid = xmlrpc.client.ServerProxy(f"{url}/xmlrpc/2/common").authenticate(
            db, login, password, {}
        )
        assert self.uid, f"{login} cannot log in to {db} at {url}"
        self._object = xmlrpc.client.ServerProxy(f"{url}/xmlrpc/2/object", allow_none=True)

    def __call__(self, model):
        return _Model(self, model)

    def execute(self, model, method, *args, **kwargs):
        return self._object.execute_kw(self.db, self.uid, self.password, model, method,
                                       list(args), kwargs)


class _Model:
    def __init__(self, odoo, model):
        self._odoo, self._model = odoo, model

    def __getattr__(self, method):
        return lambda *args, **kwargs: self._odoo.execute(self._model, method, *args, **kwargs)
