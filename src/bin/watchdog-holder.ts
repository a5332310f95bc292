// The watchdog holder's program: started by tandemd, outlives it, and never does anything but hold and feed the device.
// Arguments: DEVICE TIMEOUT_MS SOCKET KEYFILE. The first line on stdout is "armed" or the reason why not.

import { runHolder } from "../drivers/watchdog/holding.ts";

const [device, timeout, socketPath, keyPath] = process.argv.slice(2);
const timeoutMs = Number(timeout);
// Who started the holder may be gone by the time it speaks.
process.stdout.on("error", () => undefined);
if (device === undefined || socketPath === undefined || keyPath === undefined || !(timeoutMs > 0)) {
  process.stdout.write("Usage: watchdog-holder DEVICE TIMEOUT_MS SOCKET KEYFILE\n");
  process.exitCode = 2;
} else {
  const report = (line: string): void => void process.stdout.write(`${line}\n`);
  process.exitCode = await runHolder({ device, timeoutMs, socketPath, keyPath, report });
}
