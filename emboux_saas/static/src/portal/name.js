import { registry } from "@web/core/registry";
import { Interaction } from "@web/public/interaction";

/** Shows the fields of the kind of domain that is chosen, and says whether a name is free. */
export class DomainName extends Interaction {
    static selector = ".o_emboux_name";
    dynamicContent = {
        "[name=kind]": { "t-on-change": () => {} }, // what follows is shown anew
        "[name=label]": { "t-on-input": this.debounced(this.ask, 300) },
        "[name=parent_id]": { "t-on-change": this.ask },
        ".o_emboux_under": { "t-att-class": () => ({ "d-none": this.isOwn }) },
        ".o_emboux_own": { "t-att-class": () => ({ "d-none": !this.isOwn }) },
        ".o_emboux_free": {
            "t-out": () => this.answer.sentence,
            "t-att-class": () => ({
                "text-success": this.answer.free,
                "text-danger": !this.answer.free,
            }),
        },
    };

    setup() {
        this.answer = { free: false, sentence: "" };
    }

    get isOwn() {
        const chosen = this.el.querySelector("[name=kind]:checked");
        return !chosen || chosen.value === "own";
    }

    async ask() {
        const label = this.el.querySelector("[name=label]").value;
        const query = new URLSearchParams({
            label,
            parent_id: this.el.querySelector("[name=parent_id]").value,
        });
        let answer = { free: false, sentence: "" };
        try {
            const response = await this.waitFor(fetch(`/my/email/names?${query}`));
            answer = response.ok ? await this.waitFor(response.json()) : answer;
        } catch {
            // away from the net for a moment: the form itself says it
        }
        if (label === this.el.querySelector("[name=label]").value) {
            this.answer = answer;
        }
    }
}

registry.category("public.interactions").add("emboux_saas.name", DomainName);
