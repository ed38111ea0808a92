# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The configuration of the stand-in: accounts, addresses, aliases; domains are in domains.py."""

import copy

from . import names
from .checks import POSTMASTER, Check, State, canonical, separators
from .docs import Docs, Failure, user_error
from .domains import Domains, parsed

_HALF_DAY_NS = 12 * 3600 * 10**9
_THREE_DAYS_NS = 72 * 3600 * 10**9


def _request(what: str, text: str) -> Failure:
    return user_error(f"{what}: bad request: {text}")


class Config(Domains):
    """``server.config``.  ``transports`` (name to settings), ``mta_sts`` and ``default_quota``
    (bytes) are for tests to set: the real one reads them from a file that the calls do not change.
    """

    postmaster = POSTMASTER

    def __init__(self, server, docs: Docs, generation: str):
        self.server, self.docs = server, docs
        self.generation, self.old = generation, generation == "old"
        self.transports: dict[str, dict] = {}
        self.mta_sts = False
        self.default_quota = 0
        self.passwords = {POSTMASTER: "moxmoxmox"}
        self.keys: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.state, self.derived = State(), None
        self.closed: set[str] = set()  # domains whose users cannot log in
        self._first()

    def _first(self):
        """What ``mox localserve`` begins with."""
        name = names.domain("localhost")
        first = self.docs.make(
            "ConfigDomain", LocalpartCatchallSeparator="+", Domain=name,
            LocalpartCatchallSeparatorsEffective=["+"],
            DKIM={"Selectors": {"localserve": self._new_selector(
                name, "localserve", "ed25519", Expiration="72h",
                PrivateKeyFile="dkim.localserve.privatekey.pkcs8.pem")}, "Sign": ["localserve"]},
        )  # fmt: skip
        account = self.new_account("mox", name)
        account.update(Domain="", DNSDomain=names.domain(""), NoFirstTimeSenderDelay=True,
                       KeepRetiredMessagePeriod=_THREE_DAYS_NS,
                       KeepRetiredWebhookPeriod=_THREE_DAYS_NS, SubjectPass={"Period": 0})
        if not self.old:
            account["NoCustomPassword"] = False
        self.save(State({"localhost": first}, {POSTMASTER: account}), "")

    def new_account(self, part, domain):
        intro = "" if self.old else "introbox|"
        return self.docs.make(
            "Account", Domain=names.shown(domain), DNSDomain=domain, RejectsMailbox="Rejects",
            Destinations={names.packed(part, names.shown(domain)): self.docs.make("Destination")},
            SubjectPass={"Period": _HALF_DAY_NS}, NoCustomPassword=True,
            AutomaticJunkFlags=self.docs.make(
                "AutomaticJunkFlags", Enabled=True, JunkMailboxRegexp="^(junk|spam)",
                NeutralMailboxRegexp=f"^(inbox|{intro}neutral|postmaster|dmarc|tlsrpt|rejects)"),
            JunkFilter=self.docs.make("JunkFilter", Threshold=0.95, Onegrams=True, MaxPower=0.01,
                                      TopWords=10, IgnoreWords=0.1, RareWords=2),
        )  # fmt: skip

    def save(self, changed: State, what: str, shared: bool = True) -> None:
        """All or nothing, as the real one writes one file; but when the change and what is in
        use share their domains, a refused one closes those that it would have left without
        addresses, until the next change that is taken."""
        check = Check(changed, self.generation, self.transports, self.mta_sts)
        if check.errors:
            if shared:
                self.closed = set(changed.domains) - check.addressed
            wrong = f"writing domains.conf: config error: {check.text()}"
            raise user_error(f"{what}: {wrong}")
        self.state, self.derived = changed, check
        self.closed = set(changed.domains) - check.addressed

    # accounts

    def Accounts(self):
        listed = sorted(self.state.accounts)
        if self.old:
            return listed
        closed = [name for name in listed if self.state.accounts[name]["LoginDisabled"]]
        return listed, closed or None

    def Account(self, name):
        if name not in self.state.accounts:
            raise user_error("looking up account: no such account")
        shown = copy.deepcopy(self.state.accounts[name])
        if not self.old:
            shown["Aliases"] = self._aliases_of(name) or None
        return shown, 0

    def _aliases_of(self, account):
        found = []
        for (domain, key), members in self.derived.members.items():
            alias = self.state.domains[domain]["Aliases"][key]
            shown = {**alias, "Addresses": None, "ParsedAddresses": None, "LocalpartStr": key,
                     "Domain": names.domain(domain)}  # fmt: skip
            listed = [full for full, _one in members] if alias["ListMembers"] else None
            found += [
                {"SubscriptionAddress": full, "Alias": shown, "MemberAddresses": listed}
                for full, one in members if one.account == account
            ]  # fmt: skip
        return found

    def AccountAdd(self, account, address):
        """Any name will do that is not taken, "../escape" too; an empty one before 2026."""
        what = "adding account"
        part, domain = self._address(address, what)
        if account in self.state.accounts:
            raise _request(what, "account already present")
        if not account and not self.old:
            raise _request(what, 'account directory "accounts" already/still exists')
        self._must_be_free(part, domain, what)
        changed = self.state.copied()
        changed.accounts[account] = self.new_account(part, domain)
        self.save(changed, what)

    def AccountRemove(self, account):
        """Mail, webhooks and suppressions are gone even when the removal is refused."""
        what = "removing account"
        if account not in self.state.accounts:
            missing = "account does not exist" if self.old else "open account: no such account"
            raise _request(what, missing)
        if not self.old:
            self.server.forget_account(account)
        changed = self.state.copied()
        del changed.accounts[account]
        self.save(changed, what)
        self.passwords.pop(account, None)

    def SetPassword(self, account, password):
        if len(password.encode()) < 8:
            raise user_error("message must be at least 8 characters")
        self._must_open(account)
        self.passwords[account] = password

    def _must_open(self, account):
        if account not in self.state.accounts:
            raise Failure("server:error", "open account: no such account")

    def change_account(self, account, what, **values):
        if account not in self.state.accounts:
            raise _request(what, "account not present")
        changed = self.state.copied()
        changed.accounts[account] = {**changed.accounts[account], **values}
        self.save(changed, what)

    def AccountSettingsSave(self, account, messages, firsts, quota, delay, no_custom=None):
        values = {} if self.old else {"NoCustomPassword": no_custom}
        self.change_account(account, "saving account settings", MaxOutgoingMessagesPerDay=messages,
                            MaxFirstTimeRecipientsPerDay=firsts, QuotaMessageSize=quota,
                            NoFirstTimeSenderDelay=not delay, **values)  # fmt: skip

    def AccountLoginDisabledSave(self, account, text):
        self._must_open(account)
        self.change_account(account, "saving login disabled account", LoginDisabled=text)

    def AccountRoutesSave(self, account, routes):
        self.change_account(account, "saving account routes", Routes=routes)

    def RoutesSave(self, routes):
        changed = self.state.copied()
        changed.routes = routes
        self.save(changed, "saving global routes")

    # addresses

    def _address(self, text, what):
        try:
            return names.address(text)
        except names.BadName as error:
            raise _request(what, f"parsing email address: {error}") from None

    def _must_be_free(self, part, domain, what):
        name = names.shown(domain)
        config = self.state.domains.get(name)
        wrong = None
        if not config:
            wrong = "domain does not exist"
        else:
            full = names.packed(canonical(part, config), name)
            held = [one for one in separators(config) if one in part]
            if full in self.derived.destinations:
                wrong = f"canonicalized address {full} already configured"
            elif held:
                wrong = f"localpart cannot include domain catchall separator {held[0]}"
            elif canonical(part, config) in (config.get("Aliases") or {}):
                wrong = "address in use as alias"
        if wrong:
            raise _request(what, f"address not available: {wrong}")

    def AddressAdd(self, address, account):
        what = "adding address"
        if account not in self.state.accounts:
            raise _request(what, "account does not exist")
        if address.startswith("@"):
            try:
                full = f"@{names.shown(names.domain(address[1:]))}"
            except names.BadName as error:
                raise _request(what, f"parsing domain: {error}") from None
            if full[1:] not in self.state.domains:
                raise _request(what, "domain does not exist")
            if full in self.derived.destinations:
                raise _request(what, "catchall address already configured for domain")
        else:
            part, domain = self._address(address, what)
            self._must_be_free(part, domain, what)
            full = names.packed(part, names.shown(domain))
        held = {**(self.state.accounts[account]["Destinations"] or {}),
                full: self.docs.make("Destination")}  # fmt: skip
        self.change_account(account, what, Destinations=held)

    def AddressRemove(self, address):
        """Asks the canonical addresses, then removes the written one: "Bob@" can be neither."""
        what = "removing address"
        found = self.derived.destinations.get(address)
        if not found:
            raise _request(what, "address does not exists")
        account = self.state.accounts[found.account]
        if address not in account["Destinations"]:
            raise _request(what, "address not removed, likely a postmaster/reporting address")
        changed = self.state.copied()
        left = {name: one for name, one in account["Destinations"].items() if name != address}
        changed.accounts[found.account] = {**account, "Destinations": left}
        for (name, key), members in self.derived.members.items():
            if address in [full for full, _one in members]:
                self._leave(changed, name, key, address)
        if not self.old:
            self._must_not_be_queued(address, found.account)
        self.save(changed, what, shared=False)

    def _leave(self, changed, name, key, address):
        domain = copy.deepcopy(changed.domains[name])
        kept = [one for one in domain["Aliases"][key]["Addresses"] if one != address]
        if not kept:
            wrong = f"address is last member of alias {key}@{name}"
            raise Failure("server:error", f"removing address: {wrong}, add new members or remove "
                                          "alias first")  # fmt: skip
        domain["Aliases"][key]["Addresses"] = kept
        changed.domains[name] = domain

    def _must_not_be_queued(self, address, account):
        """A queued message needs a sender of its account."""
        catch_all = address.startswith("@")
        for sender, domain in self.server.queue.senders(account):
            other = self.derived.destinations.get(sender if catch_all else f"@{domain}")
            covered = other is not None and other.account == account
            if covered or not catch_all and sender != address:
                continue
            reason = ("that depends on the catchall address" if catch_all
                      else "and no catchall address is configured")  # fmt: skip
            raise _request("removing address", "message delivery queue contains message with "
                           f'sender address "{sender}" {reason}, drop message from queue first')

    # aliases

    def _alias(self, part, domain, what, change):
        """``change`` gets the domain's aliases and the key."""
        try:
            key = names.quoted(names.localpart(part))
        except names.BadName as error:
            raise user_error(f"parsing localpart: {error}") from None
        name = names.shown(parsed(domain))

        def change_domain(one):
            one["Aliases"] = one["Aliases"] or {}
            change(one["Aliases"], key)

        self.change_domain(name, what, change_domain)

    def AliasAdd(self, part, domain, alias):
        what = "adding alias"

        def change(aliases, key):
            if key in aliases:
                raise _request(what, "alias already present")
            aliases[key] = {**alias, "ParsedAddresses": None}

        self._alias(part, domain, what, change)

    def _known_alias(self, aliases, key, what, missing="no such alias"):
        if key not in aliases:
            raise _request(what, missing)
        return aliases[key]

    def AliasUpdate(self, part, domain, post_public, list_members, allow_from):
        what = "saving alias"
        self._alias(part, domain, what, lambda aliases, key: self._known_alias(
            aliases, key, what, "alias does not exist").update(
                PostPublic=post_public, ListMembers=list_members, AllowMsgFrom=allow_from))

    def AliasRemove(self, part, domain):
        what = "removing alias"

        def change(aliases, key):
            self._known_alias(aliases, key, what, "alias does not exist")
            del aliases[key]

        self._alias(part, domain, what, change)

    def AliasAddressesAdd(self, part, domain, addresses):
        what = "adding address to alias"
        if not addresses:
            raise _request(what, "at least one address required")

        def change(aliases, key):
            alias = self._known_alias(aliases, key, what)
            alias["Addresses"] = [*(alias["Addresses"] or []), *addresses]

        self._alias(part, domain, what, change)

    def AliasAddressesRemove(self, part, domain, addresses):
        what = "removing address from alias"
        if not addresses:
            raise _request(what, "need at least one address")

        def change(aliases, key):
            alias = self._known_alias(aliases, key, what)
            missing = [one for one in addresses if one not in alias["Addresses"]]
            if missing:
                raise _request(what, f"address not found: {', '.join(missing)}")
            alias["Addresses"] = [one for one in alias["Addresses"] if one not in addresses]

        self._alias(part, domain, what, change)
