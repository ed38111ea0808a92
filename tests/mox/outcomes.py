"""What a call of a story may come to, and how its params are written."""

from dataclasses import dataclass

#: Params that the earlier generation does not have, by their place.
_LEFT_OUT = {"DomainAdd": 0, "AccountSettingsSave": 5}


def params_of(function, params, old):
    """The params as the server's generation wants them."""
    if old and function in _LEFT_OUT:
        place = _LEFT_OUT[function]
        return params[:place] + params[place + 1 :]
    return params


@dataclass(frozen=True)
class Refused:
    code: str
    words: tuple[str, ...]


def user(*words):
    return Refused("user:error", words)


def server_error(*words):
    return Refused("server:error", words)


def has(**values):
    """A struct that has these values."""
    return lambda result: all(result[name] == value for name, value in values.items())


NO_DOMAIN = user("looking up domain: no such domain")
NOT_PRESENT = user("bad request: domain not present")
SETTINGS = {"PostPublic": True, "ListMembers": True, "AllowMsgFrom": True}


def alias(*addresses, **settings):
    return {"Addresses": list(addresses), **SETTINGS, **settings}
