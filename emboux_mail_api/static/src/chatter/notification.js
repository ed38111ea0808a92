import { Notification } from "@mail/core/common/notification_model";
import { fields } from "@mail/core/common/record";
import { patch } from "@web/core/utils/patch";

/** The envelope says what became of the mail, as far as the mail servers' logs tell. */
patch(Notification.prototype, {
    setup() {
        super.setup(...arguments);
        this.emboux_outcome = fields.Attr("");
    },
    get statusTitle() {
        return this.emboux_outcome || super.statusTitle;
    },
});
