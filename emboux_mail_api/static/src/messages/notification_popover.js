import { MessageNotificationPopover } from "@mail/core/common/message_notification_popover";
import { onWillStart } from "@odoo/owl";
import { useService } from "@web/core/utils/hooks";
import { patch } from "@web/core/utils/patch";

/** What became of a message at the other mail servers, beside what Odoo knows of it. */
patch(MessageNotificationPopover.prototype, {
    setup() {
        super.setup(...arguments);
        this.embouxOutcomes = [];
        const orm = useService("orm");
        onWillStart(async () => {
            const id = this.props.message.id;
            if (Number.isInteger(id)) {
                this.embouxOutcomes = await orm.silent.call("mail.message", "emboux_outcomes", [
                    [id],
                ]);
            }
        });
    },
});
