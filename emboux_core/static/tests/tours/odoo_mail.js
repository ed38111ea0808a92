import { registry } from "@web/core/registry";

const tours = registry.category("web_tour.tours");

/** From a verified domain to Odoo's own mail: what it takes, done, and a mail out and back in. */
tours.add("emboux_use_for_odoo", {
    steps: () => [
        { content: "the domain is verified", trigger: ".o_arrow_button_current:contains(Verified)" },
        { content: "use it", trigger: "button[name=action_use_for_odoo]", run: "click" },
        { content: "what it takes is shown first", trigger: ".alert-info:contains(Nothing is changed until)" },
        { content: "with what was found", trigger: ".o_data_cell[name=found]:contains(Nobody has the address odoo@)" },
        { content: "and what will be done", trigger: ".o_data_cell[name=what]:contains(Deliver bounce@)" },
        { content: "do it", trigger: "button[name=action_apply]:contains(Set Up)", run: "click" },
        { content: "in use", trigger: ".o_arrow_button_current:contains(In Use)", timeout: 60000 },
        { content: "each can be undone", trigger: ".o_data_row:contains(Incoming mail) button:contains(Undo)" },
        { content: "prove it", trigger: "button[name=action_test].btn-primary", run: "click" },
        { content: "it is back by itself", trigger: ".alert-success:contains(came back)", timeout: 60000 },
    ],
});

/** The mailbox of a user, with an address that is proposed, and its password once. */
tours.add("emboux_user_mailbox", {
    steps: () => [
        { content: "no mailbox yet", trigger: "button[name=action_emboux_create_mailbox]", run: "click" },
        { content: "an address is proposed", trigger: ".modal div[name=local_part] input:value(user.main)" },
        { content: "make it", trigger: ".modal button[name=action_create_mailbox]", run: "click" },
        { content: "the password, once", trigger: ".modal:contains(A new password for) button[name=action_apply]", run: "click" },
        { content: "it says so", trigger: ".o_notification:contains(works from now on)" },
        { content: "it is there", trigger: "button[name=action_emboux_open_mailboxes]" },
    ],
});
