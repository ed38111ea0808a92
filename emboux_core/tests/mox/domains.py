# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The domains of the stand-in: settings, report addresses, keys, routes."""

import copy
import secrets
import time

from . import names
from .docs import Failure, user_error

_HEADERS = ["From", "To", "Cc", "Bcc", "Reply-To", "References", "In-Reply-To", "Subject", "Date",
            "Message-Id", "Content-Type"]  # fmt: skip


def parsed(text: str, what: str = "parsing domain") -> dict[str, str]:
    try:
        return names.domain(text)
    except names.BadName as error:
        raise user_error(f"{what}: {error}") from None


def duration(nanoseconds: int) -> str:
    """As Go writes one: 72h0m0s."""
    seconds = nanoseconds / 10**9
    hours, minutes = int(seconds // 3600), int(seconds % 3600 // 60)
    rest = f"{seconds % 60:.9f}".rstrip("0").rstrip(".")
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


class Domains:
    """A part of ``Config``, which has ``docs``, ``old``, ``state``, ``save`` and ``derived``."""

    def _domain(self, text, what="parsing domain"):
        name = parsed(text, what)
        if names.shown(name) not in self.state.domains:
            raise user_error("looking up domain: no such domain")
        return name

    # what is read

    def Domains(self):
        listed = sorted(self.state.domains)
        if self.old:
            return [names.domain(name) for name in listed]
        return [self.shown_domain(name) for name in listed]

    def Domain(self, domain):
        return self._domain(domain, "parse domain")

    def ParseDomain(self, domain):
        return parsed(domain, "parse domain")

    def DomainConfig(self, domain):
        return self.shown_domain(names.shown(self._domain(domain, "parse domain")))

    def DomainLocalparts(self, domain):
        name = names.shown(self._domain(domain))
        accounts = {}
        for full, one in self.derived.destinations.items():
            if full.endswith(f"@{name}"):
                key = "" if full.startswith("@") else names.quoted(one.localpart)
                accounts[key] = one.account
        if self.old:
            return accounts
        return accounts, self.shown_domain(name)["Aliases"] or {}

    def shown_domain(self, name):
        """With what mox works out from the rest."""
        shown = copy.deepcopy(self.state.domains[name])
        for key, alias in (shown.get("Aliases") or {}).items():
            alias.update(LocalpartStr=key, Domain=names.domain(name), ParsedAddresses=[
                self._parsed_member(full, one) for full, one in self.derived.members[name, key]
            ])  # fmt: skip
        return shown

    def _parsed_member(self, full, destination):
        part, domain = names.address(full)
        settings = self.docs.make("Destination", **destination.settings)
        address = {"Localpart": part, "Domain": domain}
        return self.docs.make("AliasAddress", Address=address, AccountName=destination.account,
                              Destination=settings)  # fmt: skip

    # what is added and removed

    def DomainAdd(self, *given):
        disabled, domain, account, part = (False, *given) if self.old else given
        name = parsed(domain)
        shown = names.shown(name)
        if shown in self.state.domains:
            raise user_error("adding domain: bad request: domain already present")
        known = account in self.state.accounts
        wrong = None
        if known and part:
            wrong = "account already exists (leave localpart empty when using an existing account)"
        elif not known and not part:
            wrong = "account does not yet exist (specify a localpart)"
        elif not account:
            wrong = "account name is empty"
        if wrong:
            raise user_error(f"adding domain: bad request: {wrong}")
        changed = self.state.copied()
        if not known:
            changed.accounts[account] = self.new_account(part, name)
        elif account != self.postmaster:
            used = copy.deepcopy(changed.accounts[account])
            used["Destinations"][f"postmaster@{shown}"] = self.docs.make("Destination")
            changed.accounts[account] = used
        changed.domains[shown] = self._new_domain(name, account, disabled)
        try:
            self.save(changed, "adding domain", shared=False)
        except Failure:
            # An account that was to be made stays, and no change is taken until it is removed.
            self.state.accounts[account] = changed.accounts[account]
            raise

    def _new_domain(self, name, account, disabled):
        year = time.strftime("%Y")
        kinds = ("ed25519", "rsa", "ed25519", "rsa") if self.old else ("rsa", "rsa")
        selectors = {
            f"{year}{letter}": self._new_selector(name, f"{year}{letter}", kind, Expiration="72h")
            for letter, kind in zip("abcd", kinds, strict=False)
        }
        signing = list(selectors)[: 2 if self.old else 1]
        made = self.docs.make(
            "ConfigDomain", Disabled=disabled,
            ClientSettingsDomain=f"mail.{names.shown(name)}", LocalpartCatchallSeparator="+",
            DKIM={"Selectors": selectors, "Sign": signing}, Domain=name,
            LocalpartCatchallSeparatorsEffective=["+"],
        )  # fmt: skip
        dash = "-" if self.old else ""
        for kind, part in (("DMARC", f"dmarc{dash}reports"), ("TLSRPT", f"tls{dash}reports")):
            made[kind] = self._report(kind, name, part, "", account, kind)
        return made

    def DomainRemove(self, domain):
        name = names.shown(parsed(domain))
        if name not in self.state.domains:
            raise user_error("removing domain: bad request: domain does not exist")
        changed = self.state.copied()
        del changed.domains[name]
        self.save(changed, "removing domain", shared=False)

    # what is changed

    def change_domain(self, name, what, change):
        """Only the name by which mox keeps it will do: no other case, no punycode."""
        if name not in self.state.domains:
            raise user_error(f"{what}: bad request: domain not present")
        changed = self.state.copied()
        changed.domains[name] = copy.deepcopy(changed.domains[name])
        change(changed.domains[name])
        self.save(changed, what, shared=False)

    def DomainDescriptionSave(self, domain, text):
        self.change_domain(domain, "saving domain description",
                           lambda one: one.update(Description=text))  # fmt: skip

    def DomainClientSettingsDomainSave(self, domain, name):
        self.change_domain(domain, "saving client settings domain",
                           lambda one: one.update(ClientSettingsDomain=name))  # fmt: skip

    def DomainDisabledSave(self, domain, disabled):
        self.change_domain(domain, "saving disabled setting for domain",
                           lambda one: one.update(Disabled=disabled))  # fmt: skip

    def DomainRoutesSave(self, domain, routes):
        self.change_domain(domain, "saving domain routes", lambda one: one.update(Routes=routes))

    def DomainLocalpartConfigSave(self, domain, given, case_sensitive):
        wanted = ([given] if given else []) if self.old else given

        def change(one):
            used = [one[kind]["Localpart"] for kind in ("DMARC", "TLSRPT") if one[kind]]
            if not self.old:
                held = [any(sep in part for sep in seps or [] for part in used)
                        for seps in (one["LocalpartCatchallSeparatorsEffective"], wanted)]
                if held == [False, True]:
                    raise user_error("cannot add localpart catchall separators that are used in "
                                     "dmarc and/or tls reporting addresses, change reporting "
                                     "addresses first")  # fmt: skip
                single = len(wanted or []) == 1
                one["LocalpartCatchallSeparators"] = None if single else wanted
                one["LocalpartCatchallSeparatorsEffective"] = wanted
            one["LocalpartCatchallSeparator"] = wanted[0] if len(wanted or []) == 1 else ""
            one["LocalpartCaseSensitive"] = case_sensitive

        self.change_domain(domain, "saving localpart settings for domain", change)

    def DomainDMARCAddressSave(self, *given):
        self._save_report("DMARC", "dmarc", *given)

    def DomainTLSRPTAddressSave(self, *given):
        self._save_report("TLSRPT", "tls", *given)

    def _save_report(self, kind, word, domain, part, at, account, mailbox):
        def change(one):
            held = None if self.old or one[kind] and one[kind]["Localpart"] == part else next(
                (sep for sep in one["LocalpartCatchallSeparatorsEffective"] or [] if sep in part),
                None)  # fmt: skip
            if held:
                raise user_error(f'{word} reporting address cannot contain catchall separator '
                                 f'"{held}" in localpart ("{part}")')  # fmt: skip
            name = names.domain(domain)
            one[kind] = self._report(kind, name, part, at, account, mailbox) if part else None

        self.change_domain(domain, f"saving {word} reporting address/settings for domain", change)

    def _report(self, kind, name, part, at, account, mailbox):
        return self.docs.make(
            kind, Localpart=part, Domain=at, Account=account, Mailbox=mailbox,
            ParsedLocalpart=part.lower(), DNSDomain=names.domain(at) if at else name,
        )  # fmt: skip

    def DomainMTASTSSave(self, domain, policy, mode, max_age, hosts):
        made = self.docs.make("MTASTS", PolicyID=policy, Mode=mode, MaxAge=max_age, MX=hosts)
        self.change_domain(domain, "saving mtasts policy for domain",
                           lambda one: one.update(MTASTS=made if policy else None))  # fmt: skip

    # keys

    def _new_selector(self, domain, selector, algorithm, **values):
        kind = {"rsa": "rsa2048"}.get(algorithm, algorithm)
        stamp = time.strftime("%Y%m%dT%H%M%S")
        path = f"dkim/{selector}._domainkey.{domain['ASCII']}.{stamp}.{kind}.privatekey.pkcs8.pem"
        # no key of anybody, only one of the right shape
        bits = secrets.randbits(2048) | 1 << 2047 | 1
        key = secrets.token_bytes(32) if algorithm == "ed25519" else bits.to_bytes(256, "big")
        self.keys[domain["ASCII"], selector] = (algorithm, key)
        return self.docs.make(
            "Selector", **{"HashEffective": values.get("Hash") or "sha256",
                           "HeadersEffective": values.get("Headers") or _HEADERS,
                           "Algorithm": "ed25519" if algorithm == "ed25519" else "rsa-2048",
                           "PrivateKeyFile": path, **values},
        )  # fmt: skip

    def DomainDKIMAdd(self, domain, selector, algorithm, hash_, headers_relaxed, body_relaxed,
                      seal, headers, lifetime):  # fmt: skip
        name, label = parsed(domain), parsed(selector, "parsing selector")
        what, found = "adding dkim key", self.state.domains.get(names.shown(name))
        wrong = None
        if hash_ not in ("sha256", "sha1"):
            wrong = f'unknown hash algorithm "{hash_}"'
        elif algorithm not in ("rsa", "ed25519"):
            wrong = "making dkim key: unknown algorithm"
        elif not found:
            wrong = "domain does not exist"
        elif names.shown(label) in found["DKIM"]["Selectors"]:
            wrong = "selector already exists for domain"
        if wrong:
            raise user_error(f"{what}: bad request: {wrong}")
        relaxed = {"HeaderRelaxed": headers_relaxed, "BodyRelaxed": body_relaxed}
        made = self._new_selector(name, names.shown(label), algorithm, Hash=hash_, Headers=headers,
                                  Canonicalization=relaxed, DontSealHeaders=not seal,
                                  Expiration=duration(lifetime))  # fmt: skip
        self.change_domain(
            names.shown(name), what,
            lambda one: one["DKIM"]["Selectors"].update({names.shown(label): made}),
        )  # fmt: skip

    def DomainDKIMRemove(self, domain, selector):
        name, label = parsed(domain), names.shown(parsed(selector, "parsing selector"))
        found = self.state.domains.get(names.shown(name))
        if not found or label not in found["DKIM"]["Selectors"]:
            missing = "selector does not exist for domain" if found else "domain does not exist"
            raise user_error(f"removing dkim key: bad request: {missing}")

        def change(one):
            del one["DKIM"]["Selectors"][label]
            one["DKIM"]["Sign"] = [sign for sign in one["DKIM"]["Sign"] or [] if sign != label]

        self.change_domain(names.shown(name), "removing dkim key", change)

    def DomainDKIMSave(self, domain, selectors, sign):
        selectors = selectors or {}
        for one in sign or []:
            if one not in selectors:
                raise user_error(f'checking selectors: cannot sign unknown selector "{one}"')

        def change(one):
            kept = one["DKIM"]["Selectors"]
            if len(kept) != len(selectors):
                raise user_error(
                    "checking selectors: cannot add/remove dkim selectors with this function"
                )
            for label, wish in selectors.items():
                if label not in kept:
                    raise user_error(f'checking selectors: unknown selector "{label}"')
                headers = None if wish["Headers"] == kept[label]["HeadersEffective"] else (
                    wish["Headers"])  # fmt: skip
                new = {**wish, "Headers": headers, "HashEffective": wish["Hash"] or "sha256",
                       "HeadersEffective": headers or _HEADERS}  # fmt: skip
                for fixed in ("PrivateKeyFile", "Algorithm"):
                    new[fixed] = kept[label][fixed]
                kept[label] = new
            one["DKIM"]["Sign"] = sign

        self.change_domain(domain, "saving dkim selector for domain", change)
