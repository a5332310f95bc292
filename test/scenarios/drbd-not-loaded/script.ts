import assert from "node:assert/strict";
import type { Lab } from "../../lab/lab.ts";
import { RESOURCE, type NodeName } from "../../lab/names.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { statusOf, until } from "../../lab/serving.ts";
import { alertOn, vmsOf } from "../../lab/steps.ts";

/** What modprobe does when it is asked for DRBD: hang, as in the probing of broken hardware, or fail, as after a new kernel. */
const RULE = "/etc/modprobe.d/lab.conf";
const HANGS = "install drbd exec sleep 600";
const FAILS = "install drbd echo 'Module drbd not found in directory /lib/modules' >&2; exit 1";
/** Kernel, agent, xapi and daemon; a host that waited for the module would take ten minutes. */
const BOOT_MS = 30_000;

const rule = (lab: Lab, node: NodeName, text: string): Promise<string> =>
  lab.must(node, `mkdir -p $(dirname ${RULE}); echo "${text}" > ${RULE}; sync`);

const inSync = (lab: Lab, node: NodeName, limitMs: number): Promise<true> =>
  until(
    `Both copies in sync, by ${node}`,
    async () => {
      const { stdout } = await lab.exec(node, "cat /proc/drbd", 5_000);
      return /cs:Connected ro:Secondary\/Primary ds:UpToDate\/UpToDate/.test(stdout) ? true : undefined;
    },
    limitMs,
    500,
  );

/** The daemon answers, its heartbeats are heard, and it says what it lacks. */
async function livesWithout(lab: Lab, node: NodeName, why: RegExp, limitMs: number): Promise<string> {
  await until(
    `${node} in contact without DRBD`,
    async () => ((await statusOf(lab, node))?.contact.inContact === true ? true : undefined),
    limitMs,
  );
  const text = await alertOn(lab, node, "drbd-module", 30_000);
  assert.match(text, why);
  const { stdout } = await lab.exec(node, "cat /proc/modules");
  assert.doesNotMatch(stdout, /^drbd /m, "the lab's rule did not keep the module out");
  return text;
}

export const scenario: Scenario = {
  survivors: ({ lab, owner }) => vmsOf(lab, owner),
  async run({ begin, lab, owner, other, must, writes, progress }) {
    await rule(lab, other, HANGS);
    await lab.shutdown(other, "announced");
    begin(`${other} boots without DRBD's module`);
    await lab.boot(other);
    progress(await livesWithout(lab, other, /modprobe drbd gave no answer/, BOOT_MS));
    await writes(vmsOf(lab, owner), 500, 60_000);

    await rule(lab, other, FAILS);
    await must(other, "pkill -f '[s]leep 600'");
    await until(
      "The next try",
      async () => (/Module drbd not found/.test(await alertOn(lab, other, "drbd-module", 10_000)) ? true : undefined),
      70_000,
      1_000,
    );
    await must(other, `rm ${RULE}`);
    await inSync(lab, other, 90_000);
    assert.deepEqual(
      (await statusOf(lab, other))?.alerts.filter(({ id }) => id === "drbd-module"),
      [],
    );

    // A daemon that sees the resource down has it up again before the module is out.
    const signal = (name: string): string => `pkill -${name} -f '(^|/)tandemd[.]mjs( |$)'`;
    await must(
      other,
      `${signal("STOP")}; drbdadm down ${RESOURCE} && rmmod drbd; ended=$?; ${signal("CONT")}; exit $ended`,
    );
    await inSync(lab, other, 60_000);
  },
  async heal() {
    // It mends itself.
  },
};
