from . import new_api_key
