// A daemon that is killed in the middle of its work: arms the watchdog and sends tokens until then.
// argv: device, socket.

import { createWatchdog } from "../../../src/drivers/watchdog/holder.ts";

const [device = "", socketPath = ""] = process.argv.slice(2);
const watchdog = createWatchdog({ device, timeoutMs: 5000, socketPath });
const armed = await watchdog.arm();
process.stdout.write(`${JSON.stringify(armed)}\n`);
setInterval(() => watchdog.token(), 20);
