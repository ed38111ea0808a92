from . import backend, dkim_key, published
