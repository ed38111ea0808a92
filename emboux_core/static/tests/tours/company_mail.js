import { registry } from "@web/core/registry";
import { stepUtils } from "@web_tour/tour_utils";

const tours = registry.category("web_tour.tours");

const configuration = (entry) => [
    {
        content: "the menu, or where it is if there is no room for it",
        trigger: "button[data-menu-xmlid='emboux_core.menu_configuration']:visible, .o_menu_sections_more button:visible",
        run: "click",
    },
    { content: "its entry", trigger: `.o-dropdown--menu [data-menu-xmlid='emboux_core.${entry}']`, run: "click" },
];

const setUp = () => [
    ...stepUtils.goToAppSteps("emboux_core.menu_root", "the app"),
    ...configuration("menu_set_up_company"),
];

/** What the test knows: an address, a key, a name. */
const type = (field, name, control = "input") => ({
    content: `its ${field}`,
    trigger: `div[name=${field}] ${control}`,
    run: (helpers) => helpers.edit(String(window.embouxTour[name])),
});

/** A mail that came, in the chatter; what is in it is in a shadow tree. */
const mail = (text) => `.o-mail-Message .overflow-x-auto:shadow span:contains(${text})`;

/** In an Odoo where nothing is there yet: the platform comes first, and leads on to the domain. */
tours.add("emboux_connect_platform", {
    steps: () => [
        ...setUp(),
        { content: "the platform comes first", trigger: ".alert-info:contains(Connect the mail platform first)" },
        { content: "its name", trigger: "div[name=name] input", run: "edit Our platform" },
        { content: "its kind", trigger: "div[name=kind] input", run: "click" },
        { content: "another Emboux", trigger: ".o_select_menu_item:contains(Another Emboux Platform)", run: "click" },
        { content: "it is chosen", trigger: "div[name=kind] input:value(Another Emboux Platform)" },
        type("url", "url"),
        type("secret", "key"),
        ...stepUtils.saveForm(),
        { content: "what comes next", trigger: ".alert-warning:contains(Next: press Test)" },
        { content: "test", trigger: "button[name=action_test]", run: "click" },
        { content: "it answers", trigger: ".o_arrow_button_current:contains(Connected)" },
        { content: "go on", trigger: "button:contains(Set Up Mail for This Company)", run: "click" },
        { content: "the domain comes next", trigger: ".alert-info:contains(Type the domain and save)" },
    ],
});

/** The name server of one's own, by which a button publishes. */
tours.add("emboux_name_server", {
    steps: () => [
        ...stepUtils.goToAppSteps("emboux_core.menu_root", "the app"),
        ...configuration("menu_dns_server"),
        { content: "no longer the domains", trigger: ".o_last_breadcrumb_item:contains(DNS Servers)" },
        { content: "a new one", trigger: ".o_list_button_add", run: "click" },
        { content: "its name", trigger: "div[name=name] input", run: "edit Our name server" },
        type("host", "host"),
        type("port", "port"),
        type("zones", "zone", "textarea"),
        type("key_name", "keyName"),
        type("key_secret", "keySecret"),
        ...stepUtils.saveForm(),
        { content: "test", trigger: "button[name=action_test]", run: "click" },
        { content: "it takes changes", trigger: ".alert-success:contains(The key may change)" },
    ],
});

/** From no domain to Odoo's own mail, which is proven: each step is where the last one leads. */
tours.add("emboux_first_domain", {
    steps: () => [
        ...setUp(),
        { content: "the domain comes first", trigger: ".alert-info:contains(Type the domain and save)" },
        type("name", "domain"),
        ...stepUtils.saveForm(),
        { content: "what comes next", trigger: ".alert-warning:contains(press Publish)" },
        { content: "publish", trigger: "button[name=action_publish]", run: "click" },
        { content: "the difference", trigger: ".modal .o_data_row:contains(Will be added)" },
        { content: "do it", trigger: ".modal button[name=action_apply]:contains(Publish):visible", run: "click" },
        { content: "it is done", trigger: ".modal .o_data_row:contains(Done)" },
        { content: "close", trigger: ".modal footer button:contains(Close)", run: "click" },
        { content: "closed", trigger: "body:not(:has(.modal))" },
        { content: "check", trigger: "button[name=action_check_now]:visible", run: "click" },
        { content: "verified", trigger: ".o_arrow_button_current:contains(Verified)" },
        ...setUp(),
        { content: "it leads on to what Odoo needs", trigger: ".alert-info:contains(Nothing is changed until)" },
        { content: "do it", trigger: "button[name=action_apply]:contains(Set Up)", run: "click" },
        { content: "in use", trigger: ".o_arrow_button_current:contains(In Use)", timeout: 60000 },
        { content: "prove it", trigger: "button[name=action_test].btn-primary", run: "click" },
        { content: "it is back by itself", trigger: ".alert-success:contains(came back)", timeout: 60000 },
        { content: "and in the chatter", trigger: mail("This mail left Odoo") },
    ],
});

/** A customer outside, and a message to them. */
tours.add("emboux_write_to_customer", {
    steps: () => [
        { content: "a new contact", trigger: ".o_list_button_add, .o-kanban-button-new", run: "click" },
        { content: "their name", trigger: "div[name=name] input, div[name=name] textarea", run: "edit The customer" },
        type("email", "customer"),
        ...stepUtils.saveForm(),
        { content: "write to them", trigger: ".o-mail-Chatter-sendMessage", run: "click" },
        { content: "they are who gets it", trigger: ".o-mail-RecipientsInput:contains(The customer)" },
        { content: "the message", trigger: ".o-mail-Composer-input", run: "edit Good morning, dear customer" },
        { content: "send it", trigger: ".o-mail-Composer-send:enabled", run: "click" },
        { content: "it is there", trigger: ".o-mail-Message:contains(dear customer)" },
        { content: "sent, nothing red", trigger: ".o-mail-Message:contains(dear customer):not(:has(.text-danger)) .o-mail-Message-notification" },
    ],
});

/** What the customer has answered is where the question was. */
tours.add("emboux_read_answer", {
    steps: () => [
        { content: "the answer", trigger: mail("Thank you for asking") },
        { content: "of the customer", trigger: ".o-mail-Message-author:contains(The customer)" },
        { content: "beside the question", trigger: ".o-mail-Message:contains(dear customer)" },
        { content: "and whoever follows was told", trigger: ".o-mail-Chatter:not(:has(.o-mail-Message .text-danger))" },
    ],
});
