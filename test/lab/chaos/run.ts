// Chaos: random faults on a real pool whose VMs write all the time, mended and verified in a loop. It stops at the first
// violation and says how to play that round again.

import { setTimeout as delay } from "node:timers/promises";
import { join } from "node:path";
import { bootLab, startLab, type Lab } from "../lab.ts";
import { NODES, RESOURCE, type NodeName } from "../names.ts";
import type { Images } from "../packages.ts";
import { policyParameters, type PolicyName } from "../policies.ts";
import { bothDown } from "../power.ts";
import { judgeWrites, readBack } from "../read-back.ts";
import { keepLogs } from "../run-scenario.ts";
import { servingNode, servingPool, statusOf, until } from "../serving.ts";
import { startAll } from "../steps.ts";
import { describeRound, drawRound, type Round } from "./draw.ts";

export interface Chaos {
  readonly kind: "chaos";
  readonly name: string;
  readonly dir: string;
  readonly images: Images;
  readonly policy: PolicyName;
  readonly seed: number;
  readonly minutes: number;
  /** This round alone. */
  readonly round: number | null;
}

/** Longer than the slowest way back: a boot, a resync, a toolstack that is started anew. */
const CONVERGE_MS = 240_000;
const WRITES = 200;
/** Longer than a switch; its node may lose its power meanwhile. */
const ORDER_MS = 30_000;

/** Returns the exit code. */
export async function runChaos(
  order: Chaos,
  progress: (text: string) => void,
  made: (lab: Lab) => void,
): Promise<number> {
  const lab = await startLab({
    name: order.name,
    dir: join(order.dir, "nodes"),
    target: "tgtd",
    images: order.images,
    parameters: policyParameters(order.policy),
    kernelInitiator: false,
    progress,
  });
  made(lab);
  await bootLab(lab, progress);
  await servingPool(lab, progress, {});
  const begun = Date.now();
  const end = begun + order.minutes * 60_000;
  const totals = { rounds: 0, faults: 0 };
  for (let number = order.round ?? 1; Date.now() < end; number++) {
    const round = drawRound(order.seed, number, order.policy);
    const since = ((Date.now() - begun) / 60_000).toFixed(1);
    progress(`round ${number} (${since} min): ${describeRound(round)}`);
    const problems = await playRound(lab, round);
    if (problems.length > 0) {
      const logs = await keepLogs(lab, `chaos-${order.policy}-${order.seed}-${number}`);
      progress(`VIOLATION in round ${number}: ${problems.join("; ")}`);
      progress(`  logs: ${logs}`);
      progress(`  again: npm run lab -- chaos --policy ${order.policy} --seed ${order.seed} --round ${number}`);
      return 1;
    }
    totals.rounds += 1;
    totals.faults += round.troubles.length;
    if (order.round !== null) break;
  }
  const minutes = ((Date.now() - begun) / 60_000).toFixed(0);
  const writes = lab.vms.reduce((sum, vm) => sum + lab.collector.ackedCount(vm.uuid), 0);
  progress(
    `PASSED chaos (${order.policy}, seed ${order.seed}): ${totals.rounds} rounds, ${totals.faults} faults in ${minutes} min; ` +
      `${writes} acknowledged writes, none lost, no VM doubled, no two writers`,
  );
  return 0;
}

async function playRound(lab: Lab, round: Round): Promise<readonly string[]> {
  const problems: string[] = [];
  const eventsBefore = lab.events.length;
  try {
    await breakThings(lab, round);
    await converge(lab);
    judgeWrites(lab, await readBack(lab, problems), problems);
    // Two faults may end both hosts; one never does (V14).
    const down = round.troubles.length === 1 ? bothDown(lab.events.slice(eventsBefore)) : undefined;
    if (down !== undefined) problems.push(`${down} (V14)`);
    if (problems.length === 0) await startAll(lab, await servingNode(lab, 30_000));
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  }
  return problems;
}

/** Each fault in its time; what cannot be mended any more (its node lost its power) is mended by a boot. */
async function breakThings(lab: Lab, { troubles, orders, lengthMs }: Round): Promise<void> {
  const begun = Date.now();
  const at = async (ms: number, what: () => Promise<void>): Promise<void> => {
    await delay(Math.max(0, begun + ms - Date.now()));
    await what().catch((error: unknown) =>
      lab.note("lab", "note", error instanceof Error ? error.message : String(error)),
    );
  };
  await Promise.all([
    ...troubles.map(async ({ fault, atMs, healAtMs }) => {
      await at(atMs, () => lab.fault(fault));
      if (healAtMs !== null) await at(healAtMs, () => mend(lab, fault));
    }),
    ...orders.map(({ command, node, atMs }) => at(atMs, () => give(lab, node, command))),
  ]);
  await delay(Math.max(0, begun + lengthMs - Date.now()));
}

/** A person's order in the middle of it: whatever comes of it is told, and judged by where the pool ends. */
async function give(lab: Lab, node: NodeName, command: string): Promise<void> {
  if (!lab.nodes[node].powered()) return;
  const { code, stdout, stderr } = await lab.exec(node, command, ORDER_MS);
  lab.note(node, `order: ${command}`, `ended with ${code}: ${(stderr.trim() || stdout.trim()).slice(-300)}`);
}

async function mend(lab: Lab, fault: string): Promise<void> {
  // A node that was reset meanwhile has neither the fault nor the state that it would be mended from.
  const node = NODES.find((one) => fault.includes(one));
  const inside = /^(loss|delay|deaf|disk|hang|freeze):/.test(fault);
  if (node !== undefined && inside && !lab.nodes[node].powered()) return;
  await lab.heal(fault);
}

/** V11: with everything mended the pool comes back by itself; VMs that nobody may restart are started as a person would. */
async function converge(lab: Lab): Promise<void> {
  let seen = "";
  await until(
    "Both hosts well again",
    async () => {
      // Now or later: a watchdog resets a host, and nobody here does what its hardware would do then.
      for (const node of NODES) if (!lab.nodes[node].powered()) await lab.boot(node);
      const [a, b] = await Promise.all(NODES.map((node) => statusOf(lab, node)));
      // DRBD refuses a disk while the other host serves without one; a person tries again.
      const statuses = { xcp1: a, xcp2: b };
      for (const node of NODES) {
        const copies = statuses[node]?.own.resources ?? [];
        if (copies.some(({ name, view }) => name === RESOURCE && view?.disk === "Diskless"))
          await lab.exec(node, `drbdadm attach ${RESOURCE}`);
      }
      seen = [a, b]
        .map((one) => (one === undefined ? "no daemon" : `${one.own.name} ${one.own.state} ${one.own.outcome}`))
        .join(" | ");
      const well = [a, b].every(
        (one) =>
          one?.contact.inContact === true &&
          one.contact.links.every(({ up }) => up) &&
          one.own.resources.every(({ name, view }) => name !== RESOURCE || view?.disk === "UpToDate"),
      );
      const roles = new Set([a?.own.xapiRole, b?.own.xapiRole]);
      const states = new Set([a?.own.state, b?.own.state]);
      const inPlace = roles.has("master") && roles.has("supporter") && states.has("OWNER") && states.has("STANDBY");
      return well && inPlace ? true : undefined;
    },
    CONVERGE_MS,
    1_000,
  ).catch((error: unknown) => {
    throw new Error(`${error instanceof Error ? error.message : String(error)} (V11): ${seen}`);
  });
  await startAll(lab, await servingNode(lab, 30_000));
  const ended = await Promise.all(lab.vms.map((vm) => lab.collector.waitForAcks(vm.uuid, WRITES, 90_000)));
  const late = lab.vms.filter((_, index) => ended[index] !== true).map(({ name }) => name);
  if (late.length > 0)
    throw new Error(`${late.join(", ")} got fewer than ${WRITES} writes in 90 s after everything was mended`);
}
