import { registry } from "@web/core/registry";

const tours = registry.category("web_tour.tours");
// On a phone lists are cards, and what is behind a line is not shown there.
const phone = { isActive: ["mobile"] };
const desktop = { isActive: ["desktop"] };

/** From the customer to their draft invoice, and from a line of it to the usage behind it. */
tours.add("emboux_invoice_usage", {
    url: "/odoo/email-customers",
    steps: () => [
        { content: "the customer", trigger: ".o_data_cell:contains(Tour Billing), .o_kanban_record:contains(Tour Billing)", run: "click" },
        { ...desktop, content: "what they use by month", trigger: "div[name=month_ids] .o_data_cell:contains(tour-billing.example)" },
        { ...phone, content: "more about them", trigger: ".o_button_more", run: "click" },
        { content: "their invoices", trigger: "button[name=action_open_invoices]", run: "click" },
        { ...desktop, content: "the draft of the month", trigger: ".o_list_view .o_data_row:contains(Draft) .o_data_cell[name=amount_total_in_currency_signed], .o_list_view .o_data_row:contains(Draft) .o_data_cell[name=invoice_partner_display_name]", run: "click" },
        { ...phone, content: "the draft of the month", trigger: ".o_kanban_record:contains(Draft)", run: "click" },
        { ...desktop, content: "mailboxes above the plan", trigger: "div[name=invoice_line_ids] .o_data_row:contains(Mailboxes above 1)" },
        { ...phone, content: "how many above the plan", trigger: "div[name=invoice_line_ids] .o_kanban_record:contains(1.33)" },
        {
            ...desktop,
            content: "what is behind that line",
            trigger: "div[name=invoice_line_ids] .o_data_row:contains(Mailboxes above 1) button[name=action_open_emboux_usage]",
            run: "click",
        },
        { ...desktop, content: "the day on which they came", trigger: ".o_list_view .o_data_row:contains(tour-billing.example) .o_data_cell[name=mailboxes]:contains(3)" },
    ],
});

/** The customer looks at it in the portal. */
tours.add("emboux_portal_invoice", {
    url: "/my/email/usage",
    steps: () => [
        { content: "the invoices", trigger: "#wrap a[href='/my/invoices']", run: "click", expectUnloadPage: true },
        { content: "the one", trigger: "table a[href*='/my/invoices/']", run: "click", expectUnloadPage: true },
        { content: "what it says", trigger: ":iframe td:contains(Mailboxes above 1)" },
    ],
});
