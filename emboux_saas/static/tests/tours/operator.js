import { registry } from "@web/core/registry";

const tours = registry.category("web_tour.tours");

// On a phone the search opens by a button, lists are cards, and a form shows its first button
// and a menu with the others.
const phone = { isActive: ["mobile"] };
const desktop = { isActive: ["desktop"] };

/** Search it first: where many are, it is not on the first page. */
const openRow = (name) => [
    { ...phone, content: "the search", trigger: ".o_control_panel button:has(.fa-search)", run: "click" },
    { content: `look for ${name}`, trigger: ".o_searchview_input", run: `edit ${name}` },
    { content: "by its name", trigger: ".o_searchview_autocomplete .o-dropdown-item", run: "click" },
    { content: "it is found", trigger: ".o_searchview_facet" },
    {
        content: `open ${name}`,
        trigger: `.o_data_cell:contains(${name}), .o_kanban_record:contains(${name})`,
        run: "click",
    },
];
const more = { ...phone, content: "more buttons", trigger: ".o_statusbar_buttons button:has(.oi-ellipsis-v)", run: "click" };
const pick = (field, name) => [
    { ...desktop, content: "which one", trigger: `.modal div[name=${field}] input`, run: `edit ${name}` },
    { ...desktop, content: "that one", trigger: `.o-autocomplete--dropdown-item:contains(${name})`, run: "click" },
    { ...phone, content: "which one", trigger: `.modal div[name=${field}] input`, run: "click" },
    {
        ...phone,
        content: "that one",
        trigger: `.modal .o_kanban_record:contains(${name}), .modal .o_data_cell:contains(${name})`,
        run: "click",
    },
];
const stands = (state) => ({
    content: `it is ${state}`,
    trigger: `.o_arrow_button_current:contains(${state}), .o_field_statusbar .dropdown-toggle:contains(${state})`,
});
const closed = { content: "the dialog is closed", trigger: "body:not(:has(.modal))" };

/** New terms: see what changes and what breaks, and let present customers keep theirs. */
tours.add("emboux_change_terms", {
    url: "/odoo/email-plans",
    steps: () => [
        ...openRow("Tour Plan"),
        { content: "its price is not typed over", trigger: "div[name=price].o_readonly_modifier" },
        { content: "change the terms", trigger: "button[name=action_change_terms]", run: "click" },
        { content: "nothing yet", trigger: ".modal div[name=changes]:contains(Nothing yet)" },
        { content: "fewer domains", trigger: ".modal div[name=domain_limit] input", run: "edit 1" },
        { content: "a price", trigger: ".modal div[name=price] input", run: "edit 25" },
        { content: "what changes", trigger: ".modal div[name=changes]:contains(Maximum Domains)" },
        { content: "they would keep theirs", trigger: ".modal .alert-info:contains(keep their terms and their price)" },
        { content: "or move", trigger: ".modal .o_radio_item:contains(Get these terms now) input", run: "click" },
        { content: "what it breaks", trigger: ".modal .alert-warning:contains(Tour Customer):contains(Has 2 domains where 1)" },
        { content: "rather keep", trigger: ".modal .o_radio_item:contains(Keep their terms) input", run: "click" },
        { content: "do it", trigger: ".modal button[name=action_apply]:contains(Change Terms):visible", run: "click" },
        closed,
        { content: "the new plan, with nobody on it", trigger: "div[name=price] input:value(25.00)" },
    ],
});

/** Another plan for a customer. */
tours.add("emboux_change_plan", {
    url: "/odoo/email-customers",
    steps: () => [
        ...openRow("Tour Customer"),
        { content: "change the plan", trigger: "button[name=action_change_plan]", run: "click" },
        ...pick("plan_id", "Tour Small"),
        { content: "what does not fit", trigger: ".modal .alert-warning:contains(Has 2 domains where 1)" },
        { content: "do it", trigger: ".modal button[name=action_apply]", run: "click" },
        closed,
        { content: "they have it", trigger: "div[name=plan_id]:contains(Tour Small)" },
    ],
});

/** Suspend with a reason, and activate. */
tours.add("emboux_suspend_customer", {
    url: "/odoo/email-customers",
    steps: () => [
        ...openRow("Tour Customer"),
        stands("Active"),
        more,
        { content: "suspend", trigger: "button[name=action_stop]:contains(Suspend)", run: "click" },
        { content: "says what it does", trigger: ".modal .alert-warning:contains(neither receive nor send)" },
        { content: "why", trigger: ".modal div[name=reason] input", run: "edit They asked for a pause." },
        { content: "do it", trigger: ".modal button[name=action_apply]:visible", run: "click" },
        closed,
        stands("Suspended"),
        { content: "and why", trigger: ".alert-danger:contains(They asked for a pause.)" },
    ],
});

tours.add("emboux_activate_customer", {
    url: "/odoo/email-customers",
    steps: () => [
        ...openRow("Tour Customer"),
        { content: "activate", trigger: "button[name=action_activate]", run: "click" },
        { content: "asked once", trigger: ".modal .modal-footer .btn-primary", run: "click" },
        closed,
        stands("Active"),
    ],
});

/** A key for the other customer, without which nothing moves. */
tours.add("emboux_key_for_customer", {
    url: "/odoo/email-customers",
    steps: () => [
        ...openRow("Tour Heir"),
        { content: "a key", trigger: "button:contains(New Key)", run: "click" },
        { content: "for what", trigger: ".modal div[name=name] input", run: "edit Portal" },
        { content: "make it", trigger: ".modal button[name=action_make]", run: "click" },
        { content: "its secret, once", trigger: ".modal .alert-warning:contains(only time)" },
        { content: "done", trigger: ".modal button[name=action_close]", run: "click" },
        closed,
        stands("Active"),
    ],
});

/** The transfer itself. */
tours.add("emboux_transfer_domain", {
    url: "/odoo/email-domains",
    steps: () => [
        ...openRow("tour-one.example"),
        more,
        { content: "transfer", trigger: "button[name=action_hand_over]", run: "click" },
        { content: "says who loses sight", trigger: ".modal .alert-warning:contains(lose access to it)" },
        ...pick("customer_id", "Tour Heir"),
        { content: "do it", trigger: ".modal button[name=action_apply]", run: "click" },
        closed,
        { content: "it is theirs", trigger: "div[name=partner_id]:contains(Tour Heir)" },
    ],
});
