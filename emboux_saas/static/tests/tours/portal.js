import { cookie } from "@web/core/browser/cookie";
import { registry } from "@web/core/registry";

const tours = registry.category("web_tour.tours");
const next = { run: "click", expectUnloadPage: true };
// each run makes things of its own: tours are run at several widths on one database; the pages of
// one run find it in a cookie
const mark = cookie.get("emboux_tour") || `p${Date.now() % 10 ** 9}`;
cookie.set("emboux_tour", mark);

/** From the sign-up page to the mail with the link, for a name of the operator's. */
tours.add("emboux_portal_signup", {
    url: "/email/signup",
    steps: () => [
        { content: "a plan", trigger: ".form-check:contains(Tour Plan) [name=plan_id]", run: "click" },
        { content: "a name of ours", trigger: "#kind_under", run: "click" },
        { content: "a domain of one's own is not asked for", trigger: ".o_emboux_own:not(:visible)" },
        { content: "a name that is kept", trigger: "#label", run: "edit www" },
        { content: "is refused at once", trigger: ".o_emboux_free.text-danger:contains(reserved)" },
        { content: "a free one", trigger: "#label", run: `edit ${mark}` },
        { content: "is free", trigger: ".o_emboux_free.text-success:contains(is free)" },
        { content: "the first mailbox", trigger: "#local_part", run: "edit hello" },
        { content: "who", trigger: "#person", run: "edit Nina Newcomer" },
        { content: "a slip", trigger: "#login", run: "edit nina" },
        { content: "send it", trigger: ".o_emboux_form button[type=submit]", ...next },
        { content: "it is said where it was typed", trigger: "#login.is-invalid" },
        { content: "what was typed is kept", trigger: `#label:value(${mark})` },
        { content: "put right", trigger: "#login", run: `edit ${mark}@world.example` },
        { content: "send it", trigger: ".o_emboux_form button[type=submit]", ...next },
        { content: "a mail has gone", trigger: `.alert[role=status]:contains(${mark}@world.example)` },
    ],
});

/** From the link in the mail to a mailbox that works. */
tours.add("emboux_portal_confirm", {
    steps: () => [
        { content: "what one gets", trigger: `dd:contains(hello@${mark}.)` },
        { content: "a password", trigger: "#password", run: "edit short" },
        { content: "send it", trigger: ".o_emboux_form button[type=submit]", ...next },
        { content: "it is said where it was typed", trigger: "#password.is-invalid" },
        { content: "a better one", trigger: "#password", run: "edit portal password 1" },
        { content: "send it", trigger: ".o_emboux_form button[type=submit]", ...next },
        { content: "welcome", trigger: ".alert[role=status]:contains(can send and receive at once)" },
        { content: "the domain is ready", trigger: ".badge:contains(Ready)" },
        { content: "its DNS", trigger: "h2:contains(DNS Records)" },
    ],
});

/** What a customer does on an ordinary day. */
tours.add("emboux_portal_day", {
    url: "/my/email",
    steps: () => [
        { content: "a domain", trigger: ".o_emboux_domains a", ...next },
        { content: "its mailboxes", trigger: ".nav-tabs a:contains(Mailboxes)", ...next },
        { content: "a new one", trigger: "a:contains(New Mailbox)", ...next },
        { content: "nothing typed", trigger: ".o_emboux_form button[type=submit]", ...next },
        { content: "said at the field, which has the focus", trigger: "#local_part.is-invalid:focus" },
        { content: "its address", trigger: "#local_part", run: `edit box-${mark}` },
        { content: "a password", trigger: "#password", run: "edit another password 1" },
        { content: "make it", trigger: ".o_emboux_form button[type=submit]", ...next },
        { content: "made", trigger: ".alert[role=status]:contains(is ready to use)" },
        { content: "settings", trigger: "dd:contains(IMAP)" },
        { content: "away", trigger: "a:contains(Out of office)", ...next },
        { content: "on", trigger: "#vacation_on", run: "click" },
        { content: "the reply", trigger: "#vacation_text", run: "edit I am away until Monday." },
        { content: "save", trigger: ".o_emboux_form button[type=submit]", ...next },
        { content: "it is on", trigger: "a:contains(Out of office):contains(on)" },
        { content: "suspend", trigger: "a.list-group-item:contains(Suspend)", ...next },
        { content: "it asks", trigger: ".btn-danger:contains(Suspend)", ...next },
        { content: "suspended", trigger: ".badge:contains(Suspended)" },
        { content: "activate", trigger: "button:contains(Activate Again)", ...next },
        { content: "active", trigger: ".alert[role=status]:contains(is active again)" },
        { content: "back to the domain", trigger: ".breadcrumb-item:nth-child(3) a", ...next },
        { content: "aliases", trigger: ".nav-tabs a:contains(Aliases)", ...next },
        { content: "a new one", trigger: "a:contains(New Alias)", ...next },
        { content: "its address", trigger: "#local_part", run: `edit alias-${mark}` },
        { content: "where to", trigger: "#destinations", run: "edit somebody@world.example" },
        { content: "save", trigger: ".o_emboux_form button[type=submit]", ...next },
        { content: "it is listed", trigger: `.list-group-item:contains(alias-${mark})` },
        { content: "sending", trigger: ".nav-tabs a:contains(Sending)", ...next },
        { content: "in words", trigger: ".o_emboux .alert strong" },
        { content: "back", trigger: ".breadcrumb-item:nth-child(2) a", ...next },
        { content: "keys", trigger: ".nav-pills a:contains(API Keys)", ...next },
        { content: "a new one", trigger: "a:contains(New API Key)", ...next },
        { content: "its name", trigger: "#name", run: `edit Shop ${mark}` },
        { content: "make it", trigger: ".o_emboux_form button[type=submit]", ...next },
        { content: "its secret", trigger: ".o_emboux_copy code" },
        { content: "copied", trigger: "a:contains(I Have Copied It)", ...next },
        { content: "revoke", trigger: `.list-group-item:contains(Shop ${mark}) a`, ...next },
        { content: "it asks", trigger: ".btn-danger", ...next },
        { content: "revoked", trigger: `.list-group-item:contains(Shop ${mark}) .badge:contains(Revoked)` },
        { content: "back", trigger: ".breadcrumb-item:nth-child(2) a", ...next },
        { content: "the plan", trigger: ".nav-pills a:contains(Plan)", ...next },
        { content: "another one", trigger: ".form-check:contains(Tour Plan Large) [name=plan_id]", run: "click" },
        { content: "ask for it", trigger: ".o_emboux_form button[type=submit]", ...next },
        { content: "it is asked for", trigger: ".alert:contains(We have your request)" },
        { content: "back", trigger: ".breadcrumb-item:nth-child(2) a", ...next },
        { content: "usage", trigger: ".nav-pills a:contains(Usage)", ...next },
        { content: "and invoices", trigger: "a:contains(Invoices)", ...next },
        { content: "Odoo's own page", trigger: "body:contains(no invoices)" },
    ],
});

/** An own domain: its records, then the check without leaving the page. */
tours.add("emboux_portal_check", {
    url: "/my/email",
    steps: () => [
        { content: "the domain", trigger: ".o_emboux_domains a:contains(own-)", ...next },
        { content: "a record to copy", trigger: ".o_emboux_record button[data-text]" },
        { content: "check", trigger: ".o_emboux_check button:contains(Check Now)", run: "click" },
        {
            content: "all set, and the focus is there",
            trigger: ".alert[role=status]:contains(all required records are set):focus",
        },
        { content: "ready", trigger: ".badge:contains(Ready)" },
    ],
});
