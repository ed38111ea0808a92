// Says of each call in the file that is named whether the library takes it: [[secret, headers, body]].
const { Webhook } = require("standardwebhooks");
const calls = JSON.parse(require("fs").readFileSync(process.argv[2], "utf8"));
const verdicts = calls.map(([secret, headers, body]) => {
    try {
        new Webhook(secret).verify(body, headers);
        return "good";
    } catch (error) {
        return error.constructor.name;
    }
});
console.log(JSON.stringify(verdicts));
