# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Whether a configuration is one that mox would take, and which addresses it gives."""

from dataclasses import dataclass, field

from . import names

POSTMASTER = "mox"  # the account of the server's own postmaster
_MODES = ("none", "testing", "enforce")


@dataclass
class State:
    """Whoever changes something replaces it in a copy; nothing in it is changed in place."""

    domains: dict[str, dict] = field(default_factory=dict)  # by its Unicode name
    accounts: dict[str, dict] = field(default_factory=dict)
    routes: list[dict] | None = None
    monitored: list[dict] = field(default_factory=list)

    def copied(self) -> "State":
        return State(dict(self.domains), dict(self.accounts), self.routes, self.monitored)


@dataclass(frozen=True)
class Destination:
    localpart: str  # as it was written, empty for a catch-all
    account: str
    settings: dict


def separators(domain: dict) -> list[str]:
    """The field has another name in each generation."""
    one = domain["LocalpartCatchallSeparator"]
    return (domain.get("LocalpartCatchallSeparators") or []) + ([one] if one else [])


def canonical(part: str, domain: dict) -> str:
    """Lower case, then cut at each separator; a report's address may hold one itself."""
    if not domain["LocalpartCaseSensitive"]:
        part = part.lower()
    if "LocalpartCatchallSeparators" in domain:
        for report in (domain["DMARC"], domain["TLSRPT"]):
            kept = report and report["ParsedLocalpart"]
            rest = part.removeprefix(kept) if kept and part.startswith(kept) else None
            if rest == "" or rest and rest.startswith(tuple(separators(domain))):
                return kept
    for one in separators(domain):
        part = part.split(one, 1)[0] if one else part[:1]
    return part


class Check:
    """``errors`` is empty when the state can be used."""

    def __init__(self, state: State, generation: str, transports=(), mta_sts=False):
        self.state, self.old = state, generation == "old"
        self.transports, self.mta_sts = transports, mta_sts
        self.errors: list[str] = []
        self.destinations: dict[str, Destination] = {}
        self.aliases: dict[str, tuple[str, str]] = {}  # address to (domain, key there)
        self.members: dict[tuple[str, str], list[tuple[str, Destination]]] = {}
        self.addressed: set[str] = set()  # domains with an address, or a report's of their own
        if POSTMASTER not in state.accounts:
            self.errors.append(f'postmaster account "{POSTMASTER}" does not exist')
        self._check_routes("global routes", state.routes)
        for name, domain in state.domains.items():
            self._check_domain(name, domain)
        for name, account in state.accounts.items():
            self._check_account(name, account)
        for kind in ("DMARC", "TLSRPT"):
            for name, domain in state.domains.items():
                if domain[kind]:
                    self._check_report(name, domain[kind], kind)
        for name, domain in state.domains.items():
            for key, alias in (domain.get("Aliases") or {}).items():
                self._check_alias(name, domain, key, alias)

    def text(self) -> str:
        """The earlier generation told of the first error alone."""
        return self.errors[0] if self.old else "; ".join(self.errors)

    def _say(self, where: str, text: str, old: str | None = None) -> None:
        self.errors.append((old or text) if self.old else f"{where}: {text}")

    def _check_routes(self, where, routes):
        for route in routes or []:
            if route["Transport"] not in self.transports:
                wrong = f"route references undefined transport {route['Transport']}"
                self.errors.append(f"{where}: {wrong}")

    def _check_domain(self, name, domain):
        where = f"domain {name}"
        if domain["ClientSettingsDomain"]:
            try:
                names.domain(domain["ClientSettingsDomain"])
            except names.BadName as error:
                written = domain["ClientSettingsDomain"]
                self._say(where, f'bad client settings domain "{written}": {error}')
        seen = set()
        for one in separators(domain):
            if one in seen:
                self._say(where, f'duplicate localpart catchall separator "{one}"')
            seen.add(one)
        for selector, one in domain["DKIM"]["Selectors"].items():
            self._check_selector(f"{where}: selector {selector}", one)
        policy = domain["MTASTS"]
        if policy and not self.mta_sts:
            self._say(where, "MTA-STS enabled, but there is no listener for MTASTS",
                      f'MTA-STS enabled for domain "{name}", but there is no listener for MTASTS')
        if policy and policy["Mode"] not in _MODES:
            self._say(where, f'invalid mtasts mode "{policy["Mode"]}"')
        self._check_routes("routes for domain", domain["Routes"])

    def _check_selector(self, where, selector):
        if selector["Algorithm"] == "ed25519" and selector["HashEffective"] != "sha256":
            used = selector["HashEffective"]
            self._say(where, f'hash algorithm "{used}" is not supported with ed25519, only '
                             "sha256 is")  # fmt: skip
        if "from" not in [one.lower() for one in selector["HeadersEffective"]]:
            self._say(where, "From-field must always be DKIM-signed")

    def _check_account(self, name, account):
        where = f'account "{name}"'
        disabled = account.get("LoginDisabled", "")
        if len(disabled.encode()) > 256:
            self._say(where, "message for disabled login must be <256 characters")
        if any(not " " <= one < "\x7f" for one in disabled):
            self._say(where, "message cannot contain control characters including newlines, "
                             "and must be ascii-only")  # fmt: skip
        for address, settings in (account["Destinations"] or {}).items():
            self._check_address(name, address, settings)
        self._check_routes("routes for account", account["Routes"])

    def _check_address(self, account, written, settings):
        where = f'account "{account}": destination {_go(written)}'
        catch_all = written.startswith("@")
        part, domain = ("", names.domain(written[1:])) if catch_all else names.address(written)
        name = names.shown(domain)
        config = self.state.domains.get(name)
        if not config:
            self._say(where, "unknown domain for address",
                      f'unknown domain for address {_go(written)} in account "{account}"')
            return
        full = f"@{name}"
        self.addressed.add(name)
        if not catch_all:
            inside = [one for one in separators(config) if one in part]
            for one in inside:
                self._say(where, f"localpart of address {written} includes domain catchall "
                                 f"separator {one}")  # fmt: skip
            full = names.packed(part if inside else canonical(part, config), name)
        if full in self.destinations:
            kind = "catchall destination" if catch_all else "destination"
            self._say(where, f"duplicate canonicalized {kind} address {full}")
        self.destinations[full] = Destination(part, account, settings)

    def _check_report(self, name, report, kind):
        where = f"domain {name}"
        if report["Account"] not in self.state.accounts:
            self._say(where, f'{kind} account "{report["Account"]}" does not exist')
        at = report["Domain"] or name
        try:
            at = names.shown(names.domain(at))
            part = names.localpart(report["Localpart"])
        except names.BadName as error:
            self._say(where, f'invalid {kind} localpart "{report["Localpart"]}": {error}')
            return
        config = self.state.domains.get(at)
        if not config:
            text = f'unknown domain "{at}" for {kind} address'
            self._say(where, text, f'{text} in domain "{name}"')
        elif not config["LocalpartCaseSensitive"]:
            part = part.lower()
        if at == name:
            self.addressed.add(name)
        # it takes the place of an account's own address: the real one does not object
        self.destinations[names.packed(part, at)] = Destination(
            part, report["Account"], {"Mailbox": report["Mailbox"]}
        )

    def _check_alias(self, name, domain, key, alias):
        where = f"domain {name}: alias {key}"
        part = names.localpart(key)
        inside = [one for one in separators(domain) if one in part]
        for _one in inside:
            self._say(where, "alias contains localpart catchall separator")
        if inside:
            return
        full = names.packed(canonical(part, domain), name)
        if full in self.aliases:
            self._say(where, f'duplicate alias address "{full}"')
        elif full in self.destinations:
            self._say(where, f'alias "{full}" already present as regular address')
        elif not alias["Addresses"]:
            self._say(where, f'alias "{full}" needs at least one destination address')
        else:
            self.aliases[full] = (name, key)
            self.members[name, key] = self._members(where, alias)

    def _members(self, where, alias):
        found: list[tuple[str, Destination]] = []
        for written in alias["Addresses"]:
            try:
                part, domain = names.address(written)
            except names.BadName as error:
                self._say(where, f'parsing destination address "{written}": {error}')
                continue
            full = names.packed(part, names.shown(domain))
            if full not in self.destinations:
                self._say(where, f'references non-existent address "{written}"')
            elif full in [one for one, _destination in found]:
                self._say(where, f'duplicate address "{written}"')
            else:
                found.append((full, self.destinations[full]))
        return found


def _go(text: str) -> str:
    """As Go quotes a text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
