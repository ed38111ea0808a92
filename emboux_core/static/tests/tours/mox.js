import { registry } from "@web/core/registry";
import { stepUtils } from "@web_tour/tour_utils";

const tours = registry.category("web_tour.tours");

const choose = (field, text) => [
    { content: `its ${field}`, trigger: `div[name=${field}] input`, run: `edit ${text}` },
    {
        content: "choose it",
        trigger: `.o-autocomplete--dropdown-item:contains(${text})`,
        run: "click",
    },
];

/** A mox server as a backend, typed and tested. */
tours.add("emboux_mox_backend", {
    steps: () => [
        { content: "a new backend", trigger: ".o_list_button_add", run: "click" },
        { content: "its name", trigger: "div[name=name] input", run: "edit Tour mox" },
        { content: "its kind", trigger: "div[name=kind] input", run: "click" },
        { content: "a mox", trigger: ".o_select_menu_item:contains(mox Server)", run: "click" },
        { content: "it is chosen", trigger: "div[name=kind] input:value(mox Server)" },
        {
            content: "its address",
            trigger: "div[name=url] input",
            run: (helpers) => helpers.edit(window.embouxTour.mox),
        },
        { content: "its password", trigger: "div[name=secret] input", run: "edit moxadmin" },
        ...stepUtils.saveForm(),
        { content: "test", trigger: "button[name=action_test]", run: "click" },
        { content: "it answers", trigger: ".alert-success:contains(answers)" },
    ],
});

/** A domain on it, whose records are mox's. */
tours.add("emboux_mox_domain", {
    steps: () => [
        { content: "a new domain", trigger: ".o_list_button_add, .o-kanban-button-new", run: "click" },
        { content: "its name", trigger: "div[name=name] input", run: "edit mox-tour.example" },
        ...choose("backend_id", "Tour mox"),
        ...stepUtils.saveForm(),
        { content: "mox's MX", trigger: ".o_data_cell[name=expected]:contains(10 )" },
        { content: "where reports go", trigger: ".o_data_cell[name=expected]:contains(rua=mailto:dmarcreports@mox-tour.example)" },
        { content: "what the server keeps of it", trigger: ".nav-link:contains(Mail Server)", run: "click" },
        { content: "its keys", trigger: "button[name=action_server_keys]", run: "click" },
        { content: "one signs", trigger: ".o_data_row:has(input:checked) button[name=action_stop]" },
        { content: "one does not", trigger: "button[name=action_sign]" },
    ],
});

const mailbox = (localPart, ...more) => [
    { content: "a new mailbox", trigger: ".o_list_button_add, .o_form_button_create", run: "click" },
    { content: "not the former one", trigger: "div[name=local_part] input:value()" },
    { content: "its name", trigger: "div[name=local_part] input", run: `edit ${localPart}` },
    ...choose("domain_id", "mox-tour.example"),
    { content: "a password", trigger: "div[name=password] input", run: "edit tour password 1" },
    ...more,
    ...stepUtils.saveForm(),
    { content: "the address", trigger: `h1:contains(${localPart}@mox-tour.example)` },
];

/** Three mailboxes, one of which catches all, and a list of the three. */
tours.add("emboux_mox_mailboxes", {
    steps: () => [
        ...mailbox("ann", { content: "catch-all", trigger: "div[name=catch_all] input", run: "click" }),
        ...mailbox("bob"),
        ...mailbox("cid"),
    ],
});

tours.add("emboux_mox_list", {
    steps: () => [
        { content: "a new alias", trigger: ".o_list_button_add", run: "click" },
        { content: "its name", trigger: "div[name=local_part] input", run: "edit team" },
        ...choose("domain_id", "mox-tour.example"),
        {
            content: "three",
            trigger: "div[name=destinations] textarea",
            run: (helpers) => helpers.edit(
                ["ann", "bob", "cid"].map((who) => `${who}@mox-tour.example`).join("\n")
            ),
        },
        { content: "anyone may write to it", trigger: "div[name=is_open] input:checked" },
        ...stepUtils.saveForm(),
        { content: "the list", trigger: "h1:contains(team@mox-tour.example)" },
    ],
});

const queued = (recipient) => `.o_data_row:contains(${recipient})`;

/** Of three that wait: put one on hold and release it, return one, delete one. */
tours.add("emboux_mox_queue", {
    steps: () => [
        { content: "the first", trigger: `${queued("first@far.example")} .o_list_record_selector input`, run: "click" },
        { content: "hold it", trigger: "button[name=action_hold]", run: "click" },
        { content: "it says so", trigger: ".o_notification:contains(Put on hold: 1)" },
        { content: "on hold", trigger: `${queued("first@far.example")} .badge:contains(On Hold)` },
        { content: "again", trigger: `${queued("first@far.example")} .o_list_record_selector input:not(:checked)`, run: "click" },
        { content: "release it", trigger: "button[name=action_release]", run: "click" },
        { content: "it says so", trigger: ".o_notification:contains(Released: 1)" },
        { content: "the second", trigger: `${queued("second@far.example")} .o_list_record_selector input`, run: "click" },
        { content: "return it", trigger: "button[name=action_fail]", run: "click" },
        { content: "asked", trigger: ".modal:contains(as not delivered) .btn-primary", run: "click" },
        { content: "it says so", trigger: ".o_notification:contains(Returned to their senders: 1)" },
        { content: "gone", trigger: `.o_list_view:not(:has(${queued("second@far.example")}))` },
    ],
});

/** No mail for a while, and then again. */
tours.add("emboux_mox_suspend", {
    steps: () => [
        { content: "suspend", trigger: "button[name=action_suspend]", run: "click" },
        { content: "asked", trigger: ".modal .btn-primary", run: "click" },
        { content: "suspended", trigger: ".alert-danger:contains(Suspended)" },
    ],
});

/** Of a mailbox it says that mail still comes. */
tours.add("emboux_mox_suspend_mailbox", {
    steps: () => [
        { content: "suspend", trigger: "button[name=action_suspend]", run: "click" },
        { content: "asked", trigger: ".modal:contains(It still receives mail) .btn-primary", run: "click" },
        { content: "suspended", trigger: ".alert-danger:contains(Mail still comes in)" },
    ],
});

tours.add("emboux_mox_activate", {
    steps: () => [
        { content: "activate", trigger: "button[name=action_activate]", run: "click" },
        { content: "active", trigger: "button[name=action_suspend]:visible" },
    ],
});
