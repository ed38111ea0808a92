import { registry } from "@web/core/registry";
import { stepUtils } from "@web_tour/tour_utils";

const tours = registry.category("web_tour.tours");

const typeAddress = (localPart) => [
    { content: "its name", trigger: "div[name=local_part] input", run: `edit ${localPart}` },
    { content: "its domain", trigger: "div[name=domain_id] input", run: "edit tour.example" },
    {
        content: "choose it",
        trigger: ".o-autocomplete--dropdown-item:contains(tour.example)",
        run: "click",
    },
];

/** Type a domain, save, and see which DNS records to set. */
tours.add("emboux_add_domain", {
    url: "/odoo/email-domains",
    steps: () => [
        { content: "a new domain", trigger: ".o_list_button_add, .o-kanban-button-new", run: "click" },
        {
            content: "is told what comes next",
            trigger: ".o_form_view .alert-info:contains(which DNS records to set)",
        },
        { content: "its name, as people type it", trigger: "div[name=name] input", run: "edit Tour.Example" },
        ...stepUtils.saveForm(),
        { content: "it waits for DNS", trigger: ".o_arrow_button_current:contains(Waiting for DNS)" },
        { content: "the MX to set", trigger: ".o_data_cell[name=expected]:contains(10 mail.)" },
        { content: "the DKIM key to set", trigger: ".o_data_cell[name=expected]:contains(v=DKIM1)" },
        { content: "with copy buttons", trigger: ".o_data_cell[name=expected] .o_emboux_copy_button" },
        { content: "and the whole as a zone file", trigger: "button:contains(Copy All as Zone File)" },
    ],
});

/** Press Check Now when the records are in the zone: all green, verified. */
tours.add("emboux_check_domain", {
    url: "/odoo/email-domains",
    steps: () => [
        { content: "the domain", trigger: ".o_data_cell:contains(tour.example)", run: "click" },
        { content: "check", trigger: "button[name=action_check_now]:visible", run: "click" },
        { content: "it says so", trigger: ".o_notification:contains(All required DNS records are set)" },
        { content: "verified", trigger: ".o_arrow_button_current:contains(Verified)" },
        { content: "no red", trigger: "div[name=dns_record_ids]:not(:has(.text-bg-danger)):not(:has(.text-bg-warning)) .text-bg-success" },
    ],
});

/** A mailbox that catches all, in one save. */
tours.add("emboux_add_mailbox", {
    url: "/odoo/mailboxes",
    steps: () => [
        { content: "a new mailbox", trigger: ".o_list_button_add", run: "click" },
        ...typeAddress("office"),
        { content: "a person", trigger: "div[name=name] input", run: "edit The Office" },
        { content: "a password", trigger: "div[name=password] input", run: "edit tour password 1" },
        { content: "catch-all", trigger: "div[name=catch_all] input", run: "click" },
        ...stepUtils.saveForm(),
        { content: "the address", trigger: "h1:contains(office@tour.example)" },
        { content: "caught", trigger: "div[name=catch_all] input:checked" },
        { content: "settings", trigger: "div[name=settings] .card:contains(recommended) .o_emboux_copy_text" },
    ],
});

tours.add("emboux_add_alias", {
    url: "/odoo/email-aliases",
    steps: () => [
        { content: "the catch-all stands there", trigger: ".o_data_cell:contains(@tour.example)" },
        { content: "a new alias", trigger: ".o_list_button_add", run: "click" },
        ...typeAddress("sales"),
        {
            content: "where it goes",
            trigger: "div[name=destinations] textarea",
            run: "edit office@tour.example",
        },
        ...stepUtils.saveForm(),
        { content: "the alias", trigger: "h1:contains(sales@tour.example)" },
    ],
});

/** A new password: generated, shown once, set. */
tours.add("emboux_set_password", {
    url: "/odoo/mailboxes",
    steps: () => [
        { content: "the mailbox", trigger: ".o_data_cell:contains(office@tour.example)", run: "click" },
        { content: "set a password", trigger: "button[name=action_set_password]", run: "click" },
        {
            content: "a generated one is shown; type another",
            trigger: ".modal div[name=password] input",
            run: "edit tour password 2",
        },
        { content: "set it", trigger: ".modal button[name=action_apply]", run: "click" },
        { content: "it says so", trigger: ".o_notification:contains(works from now on)" },
        { content: "closed", trigger: "body:not(:has(.modal))" },
    ],
});

/** One click, and Odoo sends through the mailbox. */
tours.add("emboux_outgoing_server", {
    url: "/odoo/mailboxes",
    steps: () => [
        { content: "the mailbox", trigger: ".o_data_cell:contains(office@tour.example)", run: "click" },
        {
            content: "use it",
            trigger: "button[name=action_use_as_outgoing_tls]:contains(Use as Odoo outgoing server)",
            run: "click",
        },
        { content: "tested", trigger: ".o_notification:contains(Odoo sends through office@tour.example)" },
        { content: "linked", trigger: "div[name=mail_server_ids]:contains(office@tour.example)" },
    ],
});

/** Publish: see the difference, write it, and be verified. */
tours.add("emboux_publish", {
    url: "/odoo/email-domains",
    steps: () => [
        { content: "the domain", trigger: ".o_data_cell:contains(publish.example)", run: "click" },
        { content: "publish", trigger: "button[name=action_publish]", run: "click" },
        { content: "nothing is changed yet", trigger: ".modal .alert-info:contains(Nothing is changed yet)" },
        { content: "the difference", trigger: ".modal .o_data_row:contains(Will be added):contains(10 mail.)" },
        { content: "nothing to merge, nothing to confirm", trigger: ".modal:not(:has(div[name=confirm_merge]:visible))" },
        { content: "do it", trigger: ".modal button[name=action_apply]:contains(Publish):visible", run: "click" },
        { content: "it says so", trigger: ".modal .alert-success:contains(All required DNS records are set)" },
        { content: "and the name servers say so", trigger: ".modal .o_data_row:contains(Done) td[name=verdict]:contains(OK)" },
        { content: "close", trigger: ".modal footer button:contains(Close)", run: "click" },
        { content: "verified", trigger: ".o_arrow_button_current:contains(Verified)" },
    ],
});
