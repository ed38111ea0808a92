import { registry } from "@web/core/registry";

/** From the customer to his draft invoice, and from a line of it to the usage behind it. */
registry.category("web_tour.tours").add("emboux_invoice_usage", {
    url: "/odoo/email-customers",
    steps: () => [
        { content: "the customer", trigger: ".o_data_cell:contains(Tour Billing)", run: "click" },
        { content: "what he uses by month", trigger: "div[name=month_ids] .o_data_cell:contains(tour-billing.example)" },
        { content: "his invoices", trigger: "button[name=action_open_invoices]", run: "click" },
        { content: "the draft of the month", trigger: ".o_list_view .o_data_row:contains(Draft) .o_data_cell[name=amount_total_in_currency_signed], .o_list_view .o_data_row:contains(Draft) .o_data_cell[name=invoice_partner_display_name]", run: "click" },
        { content: "mailboxes above the plan", trigger: "div[name=invoice_line_ids] .o_data_row:contains(Mailboxes above 1)" },
        {
            content: "what is behind that line",
            trigger: "div[name=invoice_line_ids] .o_data_row:contains(Mailboxes above 1) button[name=action_open_emboux_usage]",
            run: "click",
        },
        { content: "the day on which they came", trigger: ".o_list_view .o_data_row:contains(tour-billing.example) .o_data_cell[name=mailboxes]:contains(3)" },
    ],
});
