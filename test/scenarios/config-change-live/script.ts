import type { NodeName } from "../../lab/names.ts";
import type { Context, Scenario } from "../../lab/run-scenario.ts";
import { statusOf, until } from "../../lab/serving.ts";
import { alertOn, bothPowered } from "../../lab/steps.ts";

const FILE = "/etc/tandem/tandem.yaml";

/** The command must end with this code and say something like `words`. */
async function refused({ lab }: Context, node: NodeName, command: string, words: RegExp): Promise<void> {
  const { code, stdout, stderr } = await lab.exec(node, command, 20_000);
  const said = (stdout + stderr).replaceAll(/\s+/g, " ");
  if (code === 0 || !words.test(said)) throw new Error(`"${command}" ended with ${code} and said: ${said}`);
}

async function inForce({ lab, owner, other }: Context, name: string, value: string): Promise<void> {
  for (const node of [owner, other])
    await until(
      `${name}=${value} on ${node}`,
      async () => {
        const { stdout } = await lab.exec(node, `ha-cfg get ${name}`, 10_000);
        return stdout.trim() === `${name}=${value}` ? true : undefined;
      },
      20_000,
      1_000,
    );
}

export const scenario: Scenario = {
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run(context) {
    const { lab, must, owner, other, begin } = context;
    begin("ha-cfg set");
    await must(owner, "ha-cfg set MONITOR_DELAY 20", 20_000);
    await inForce(context, "MONITOR_DELAY", "20");
    // Timers in two steps: until both hosts show the same hash the more careful value counts.
    await must(other, "ha-cfg set T_DEAD 3.2", 20_000);
    await inForce(context, "T_DEAD", "3.2");
    await refused(context, other, "ha-cfg set TIMER_PROFILE conservative", /WATCHDOG cannot change while HA is on/);
    await refused(context, owner, "ha-cfg set LEASE 1", /I-b/);
    await refused(context, owner, "ha-cfg set FENCE_METHOD ILO", /while HA is on/);
    await refused(context, owner, "ha-cfg set MONITOR_DELAY soon", /found "?soon/);
    await refused(context, owner, "ha-cfg set MONITOR_DELY 3", /MONITOR_DELAY/);
    await inForce(context, "LEASE", "5");
    // A file that cannot be read changes nothing, says so, and is taken up once it is mended.
    await must(other, `cp ${FILE} /tmp/good.yaml && echo 'storage: [' >> ${FILE}`);
    await alertOn(lab, other, "config", 20_000);
    await must(other, `printf '\\noverrides:\\n  MAIL_ON: 0\\n' >> /tmp/good.yaml && cp /tmp/good.yaml ${FILE}`);
    await until(
      "The end of the alert",
      async () =>
        (await statusOf(lab, other))?.alerts.some((one) => one.id === "config") === false ? true : undefined,
      20_000,
      1_000,
    );
    const { stdout } = await lab.exec(other, "ha-cfg get MAIL_ON --long", 10_000);
    if (!stdout.startsWith("MAIL_ON=0  (local")) throw new Error(`MAIL_ON is not overridden: ${stdout}`);
    // Muted, the log stands still although things happen.
    await must(owner, "ha-cfg set ENABLE_LOGGING 0", 20_000);
    await inForce(context, "ENABLE_LOGGING", "0");
    const size = async (): Promise<string> => must(owner, "stat -c %s /var/log/tandem/tandemd.log");
    const before = await size();
    await must(owner, "ha-cfg raise-alert nobody hears it", 10_000);
    if ((await size()) !== before) throw new Error("the log grew although ENABLE_LOGGING is 0");
    await must(owner, "ha-cfg clear-alerts && ha-cfg set ENABLE_LOGGING 1", 20_000);
    const status = await statusOf(lab, owner);
    if (status?.own.ha !== "on" || status.contact.inContact !== true)
      throw new Error(`HA is ${status?.own.ha ?? "unknown"} at the end`);
    bothPowered(lab);
  },
  async heal() {
    // Nothing is broken.
  },
};
