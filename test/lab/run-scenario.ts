// Runs one scenario on a fresh pool, as often as asked: boots, lets the VMs write, breaks something, waits until all is
// well again, reads every block back on both nodes, and judges.

import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { Seed } from "../xapi-sim/seed.ts";
import type { Packages } from "./installed/install.ts";
import { bootBlankLab, bootLab, daemonLog, startLab, type Lab, type LabEvent } from "./lab.ts";
import { FIRST, NODES, otherNode, type LabResource, type NodeName, type TargetName } from "./names.ts";
import { root } from "../build.ts";
import type { Images } from "./packages.ts";
import { bothDown } from "./power.ts";
import { policyParameters, type PolicyName } from "./policies.ts";
import { savePicture } from "./picture.ts";
import { judgeWrites, readBack, type Verified } from "./read-back.ts";
import { printResult, printTable, type ScenarioResult } from "./results.ts";
import { scenarioDir } from "./scenario-list.ts";
import { servingNode, servingPool, statusOf } from "./serving.ts";

export interface Order {
  readonly kind: "run";
  readonly name: string;
  readonly dir: string;
  readonly images: Images;
  /** To install on the nodes. */
  readonly packages?: Packages;
  readonly scenario: string;
  /** The program, where the scenario asks it. */
  readonly prometheus?: string;
  readonly policy: PolicyName;
  readonly target: TargetName;
  readonly repeat: number;
  readonly json: boolean;
  /** False: only safety and the right end are judged; times are printed. */
  readonly limits: boolean;
}

/** What a scenario's script is given. */
export interface Context {
  readonly lab: Lab;
  readonly policy: PolicyName;
  /** Who serves when the script begins, and the other one. */
  readonly owner: NodeName;
  readonly other: NodeName;
  readonly prometheus: string | undefined;
  /** The moment the stop-watch starts: breaks something, or begins a planned step. */
  fault(spec: string): Promise<void>;
  /** Starts the stop-watch without breaking anything. */
  begin(what: string): void;
  /** Waits until every VM of these got `more` acknowledgements. */
  writes(vms: readonly string[], more: number, limitMs: number): Promise<void>;
  serving(limitMs: number): Promise<NodeName>;
  must(node: NodeName, command: string, timeoutMs?: number): Promise<string>;
  progress(text: string): void;
}

export interface Scenario {
  readonly kernelInitiator?: boolean;
  readonly ha?: boolean;
  /** It is about this target alone: the kernel's is no process that could be stopped. */
  readonly target?: TargetName;
  /** On hosts where nothing is configured yet: `setUp` does that, until the storage can serve. */
  readonly blank?: { setUp(lab: Lab, progress: (text: string) => void): Promise<void> };
  /** What is replicated besides the VMs' disk. */
  readonly more?: readonly LabResource[];
  /** A free disk in each node besides those that are replicated. */
  readonly spareDisk?: boolean;
  /** Pool parameters besides those of the policy. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** Changes the pool database that an installation would have. */
  readonly seed?: (seed: Seed) => Seed;
  /** VMs whose stall counts; the others' stalls go to the timeline. */
  survivors(context: Context): readonly string[];
  run(context: Context): Promise<void>;
  /** Brings back what was broken, so that both copies can be compared. */
  heal(context: Context): Promise<void>;
}

/** expect.json of a scenario. */
export interface Expectation {
  /** The policy it is about; VOTE where it says nothing. */
  readonly policy?: PolicyName;
  /** The scenario is about the package: its nodes have it installed; "upgraded": and a newer one is there to update to. */
  readonly rpm?: "installed" | "upgraded";
  /** A Prometheus beside the nodes. */
  readonly prometheus?: boolean;
  /** Where the storage serves at the end: the node that served before, or the other one. */
  readonly owner: "same" | "other";
  readonly stallMs: Readonly<Partial<Record<PolicyName | "any", number>>> | null;
  readonly storageBackMs?: Readonly<Partial<Record<PolicyName | "any", number>>>;
  /**
   * "moves": for each move of the storage the longest time around it in which no VM at all got an answer. For scenarios
   * that move VMs too: starting one on a node with a single processor stalls for a moment whoever is there.
   */
  readonly stallOf?: "moves";
  /** VMs of the lost node must have been started on the survivor. */
  readonly restarted?: boolean;
}

const WRITES = 1_000;

export async function runScenario(
  order: Order,
  progress: (text: string) => void,
  made: (lab: Lab) => void,
): Promise<number> {
  const { scenario } = (await import(join(scenarioDir, order.scenario, "script.ts"))) as {
    readonly scenario: Scenario;
  };
  const expectation = JSON.parse(readFileSync(join(scenarioDir, order.scenario, "expect.json"), "utf8")) as Expectation;
  if (scenario.blank !== undefined && order.packages !== undefined)
    throw new Error(`Cannot run ${order.scenario} with --from-rpm: it sets nodes up that have the checkout's bundles`);
  if (scenario.target !== undefined && scenario.target !== order.target)
    throw new Error(`Cannot run ${order.scenario} with --target ${order.target}: it is about ${scenario.target}`);
  const results: ScenarioResult[] = [];
  for (let i = 0; i < order.repeat; i++) {
    progress(`\n${order.scenario} (${order.policy}), run ${i + 1} of ${order.repeat}`);
    const result = await runOnce(order, scenario, expectation, progress, made);
    results.push(result);
    if (!order.json) printResult(result, progress);
    progress(`  timeline: ${relative(process.cwd(), savePicture(result))}`);
  }
  const all = summary(results, expectation, order.policy, order.limits);
  if (order.json) process.stdout.write(`${JSON.stringify(all)}\n`);
  else {
    if (results.length > 1) printTable(results, progress);
    progress(
      `${all.passed ? "PASSED" : "FAILED"} ${order.scenario} (${order.policy})${all.why === null ? "" : `: ${all.why}`}`,
    );
  }
  return all.passed ? 0 : 1;
}

const median = (values: readonly (number | null)[]): number | null => {
  const known = values.filter((v) => v !== null).toSorted((a, b) => a - b);
  return known[Math.floor((known.length - 1) / 2)] ?? null;
};

/**
 * Several runs as one object of the same shape: medians, sums of what must be zero, the slowest run's timeline. Every run
 * must be safe; the limits of time hold for the medians, because one processor carries a node and everything in it.
 */
function summary(
  results: readonly ScenarioResult[],
  expectation: Expectation,
  policy: PolicyName,
  limits: boolean,
): ScenarioResult {
  const slowest = results.toSorted((a, b) => (b.stallMs.max ?? 0) - (a.stallMs.max ?? 0))[0];
  if (slowest === undefined) throw new Error("no runs");
  const of = (pick: (r: ScenarioResult) => number | null): number | null => median(results.map(pick));
  const why = results.flatMap((r) => (r.why === null ? [] : [r.why]));
  const stall = of((r) => r.stallMs.max);
  const back = of((r) => r.storageBackMs);
  const limit = (limits: Expectation["stallMs"] | undefined): number | undefined => limits?.[policy] ?? limits?.any;
  const over = (what: string, found: number | null, most: number | undefined): void => {
    if (most !== undefined && (found === null || found > most))
      why.push(`${what} ${found ?? "-"} ms, limit ${most} ms`);
  };
  if (limits) {
    over("longest stall", stall, limit(expectation.stallMs));
    over("storage back after", back, limit(expectation.storageBackMs));
  }
  const sum = (pick: (r: ScenarioResult) => number | null): number | null =>
    results.some((r) => pick(r) === null) ? null : results.reduce((total, r) => total + (pick(r) ?? 0), 0);
  return {
    ...slowest,
    passed: results.every((r) => r.passed) && why.length === 0,
    stallMs: { max: slowest.stallMs.max, median: results.length === 1 ? slowest.stallMs.median : stall },
    suspectMs: of((r) => r.suspectMs),
    deadMs: of((r) => r.deadMs),
    storageBackMs: back,
    vmsStartingMs: of((r) => r.vmsStartingMs),
    ackedWritesLost: sum((r) => r.ackedWritesLost),
    doubleRuns: sum((r) => r.doubleRuns),
    twoWriters: sum((r) => r.twoWriters),
    why: why.length === 0 ? null : why.join("; "),
  };
}

async function runOnce(
  order: Order,
  scenario: Scenario,
  expectation: Expectation,
  progress: (text: string) => void,
  made: (lab: Lab) => void,
): Promise<ScenarioResult> {
  const begun = Date.now();
  const lab = await startLab({
    name: order.name,
    dir: join(order.dir, "nodes"),
    images: order.images,
    target: order.target,
    parameters: { ...policyParameters(order.policy), ...scenario.parameters },
    ...(order.packages === undefined ? {} : { packages: order.packages }),
    resources: [FIRST, ...(scenario.more ?? [])],
    ...(scenario.seed === undefined ? {} : { seed: scenario.seed }),
    spareDisk: scenario.spareDisk === true,
    kernelInitiator: scenario.kernelInitiator === true,
    blank: scenario.blank !== undefined,
    progress,
  });
  made(lab);
  let faultAt: number | null = null;
  const problems: string[] = [];
  let result: ScenarioResult | null = null;
  try {
    if (scenario.blank === undefined) await bootLab(lab, progress);
    else {
      await bootBlankLab(lab, progress);
      await scenario.blank.setUp(lab, progress);
    }
    const owner = await servingPool(lab, progress, scenario.ha === undefined ? {} : { ha: scenario.ha });
    progress(`The pool serves ${((Date.now() - begun) / 1000).toFixed(1)} s after the start.`);
    const context: Context = {
      lab,
      policy: order.policy,
      prometheus: order.prometheus,
      owner,
      other: otherNode(owner),
      async fault(spec) {
        faultAt = Date.now();
        lab.collector.markFault(spec);
        await lab.fault(spec);
      },
      begin(what) {
        faultAt = Date.now();
        lab.collector.markFault(what);
        lab.note("lab", "begin", what);
      },
      async writes(vms, more, limitMs) {
        const ended = await Promise.all(vms.map((vm) => lab.collector.waitForAcks(vm, more, limitMs)));
        const late = vms.filter((_, i) => ended[i] !== true);
        if (late.length > 0)
          throw new Error(`${late.length} VMs got fewer than ${more} writes within ${limitMs / 1000} s`);
      },
      serving: (limitMs) => servingNode(lab, limitMs),
      must: (node, command, timeoutMs) => lab.must(node, command, timeoutMs),
      progress,
    };
    const everyone = lab.vms.map((vm) => vm.uuid);
    await context.writes(everyone, WRITES, 60_000);
    const survivors = scenario.survivors(context);
    await scenario.run(context);
    await context.writes(survivors, WRITES, 90_000);
    const endAt = Date.now();
    progress("Healing, resync, reading back …");
    await scenario.heal(context);
    const verified = await readBack(lab, problems);
    result = await judge({
      order,
      lab,
      expectation,
      context,
      survivors,
      faultAt: faultAt ?? endAt,
      endAt,
      verified,
      problems,
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    problems.push(why);
    result = await failure(order, lab, faultAt, problems);
  }
  if (!result.passed) await keepLogs(lab, `${order.scenario}-${order.policy}`);
  await lab.stop();
  await import("./run-command.ts").then(({ runCommand }) => clearWires(runCommand));
  return result;
}

/** The namespace is used again by the next run: its bridges and taps go with this lab. */
async function clearWires(runCommand: typeof import("./run-command.ts").runCommand): Promise<void> {
  const { stdout } = await runCommand("ip", ["-o", "link", "show"]);
  for (const line of stdout.split("\n")) {
    const name = /^\d+: ([a-z0-9-]+)[:@]/.exec(line)?.[1];
    if (name !== undefined && name !== "lo") await runCommand("ip", ["link", "del", name]);
  }
}

/** Logs of both nodes and the lab's own events; returns the folder. */
export async function keepLogs(lab: Lab, name: string): Promise<string> {
  const { mkdirSync, writeFileSync } = await import("node:fs");
  const dir = join(root, ".build/lab-logs", `${name}-${Date.now()}`);
  mkdirSync(dir, { recursive: true });
  for (const node of NODES) {
    const { stdout } = await lab.exec(
      node,
      'for f in /var/log/tandem/*.log /var/log/lab/*.log /var/log/lab-vms/* /var/log/iscsid.log; do echo "=== $f"; tail -n 400 $f; done; cat /proc/drbd; dmesg | tail -80; ip addr; ps ax; [ ! -d /run/systemd/system ] || journalctl -b --no-pager -n 400',
      20_000,
    );
    writeFileSync(join(dir, `${node}.txt`), stdout);
    writeFileSync(join(dir, `${node}-console.txt`), readFileSync(lab.nodes[node].console));
  }
  writeFileSync(join(dir, "lab.json"), JSON.stringify(lab.events, null, 1));
  return dir;
}

interface Judging {
  readonly order: Order;
  readonly lab: Lab;
  readonly expectation: Expectation;
  readonly context: Context;
  readonly survivors: readonly string[];
  readonly faultAt: number;
  readonly endAt: number;
  readonly verified: readonly Verified[];
  readonly problems: string[];
}

async function judge(j: Judging): Promise<ScenarioResult> {
  const { order, lab, expectation, context, survivors, faultAt, endAt, problems } = j;
  const all = lab.collector.stalls({ fromMs: faultAt, toMs: endAt });
  const counted = all.filter((s) => survivors.includes(s.vm) && !s.isAcrossProcesses);
  const others = all.filter((s) => !survivors.includes(s.vm));
  const back = lab.collector.storageBack(faultAt, endAt);
  const timeline = await timelineOf(lab, faultAt);
  const stalls =
    expectation.stallOf === "moves" ? stallsOfMoves(lab, faultAt, timeline) : counted.map((s) => Math.round(s.stallMs));
  const first = (event: string): number | null => timeline.find((e) => e.event === event && e.atMs >= 0)?.atMs ?? null;
  const { lost, twoWriters, doubles } = judgeWrites(lab, j.verified, problems);
  const owner = await servingNode(lab, 10_000);
  const wanted = expectation.owner === "same" ? context.owner : context.other;
  if (owner !== wanted) problems.push(`storage ended on ${owner}, expected ${wanted}`);
  const max = stalls.length === 0 ? null : Math.max(...stalls);
  const backMs = back === undefined ? null : Math.round(back.storageBackMs);
  const down = bothDown(lab.events);
  if (down !== undefined) problems.push(`${down} (V14)`);
  if (expectation.restarted === true && first("vm.starting") === null)
    problems.push("the lost VMs were not started elsewhere");
  const nameOf = (uuid: string): string => {
    const vm = lab.vms.find((one) => one.uuid === uuid);
    return vm === undefined ? uuid : `${vm.name} (${vm.kind}, home ${vm.home})`;
  };
  const firstWrite =
    backMs === null ? [] : [{ atMs: backMs, node: "lab", event: "io.first", detail: "first acknowledged write" }];
  const stalled = [...counted, ...others].map((s) => ({
    atMs: Math.round(s.fromMs - faultAt),
    node: "vm",
    event: survivors.includes(s.vm) ? "stall" : "stall.other",
    detail: `${nameOf(s.vm)}: ${Math.round(s.stallMs)} ms${s.isAcrossProcesses ? ", restarted or moved in between" : ""}`,
  }));
  return {
    scenario: order.scenario,
    policy: order.policy,
    passed: problems.length === 0,
    stallMs: { max, median: median(stalls) },
    suspectMs: first("peer.suspected"),
    deadMs: first("peer.dead"),
    storageBackMs: backMs,
    vmsStartingMs: first("vm.starting"),
    ackedWritesLost: lost,
    doubleRuns: doubles,
    twoWriters,
    timeline: [...timeline, ...firstWrite, ...stalled, ...sessionEvents(lab, faultAt, nameOf)].toSorted(
      (a, b) => a.atMs - b.atMs,
    ),
    why: problems.length === 0 ? null : problems.join("; "),
  };
}

const AROUND_MOVE_MS = 3_000;

function stallsOfMoves(lab: Lab, faultAt: number, timeline: ScenarioResult["timeline"]): number[] {
  return timeline
    .filter((line) => line.event === "storage.activated" && line.atMs >= 0)
    .flatMap(({ atMs }) => {
      const at = faultAt + atMs;
      const around = lab.collector.storageBack(at - AROUND_MOVE_MS, at + AROUND_MOVE_MS);
      return around === undefined ? [] : [Math.round(around.outageMs)];
    });
}

/** What the plain initiators met between the fault and the end: sessions lost and found again. */
function sessionEvents(lab: Lab, faultAt: number, nameOf: (uuid: string) => string): ScenarioResult["timeline"] {
  return lab.collector
    .processes()
    .flatMap((process) =>
      process.events.map(({ mono, what, detail }) => ({
        atMs: Math.round(mono + process.offsetMs - faultAt),
        node: "vm",
        event: `session.${what}`,
        detail: `${nameOf(process.hello.vm)}: ${detail}`,
      })),
    )
    .filter((event) => event.atMs >= 0);
}

async function failure(
  order: Order,
  lab: Lab,
  faultAt: number | null,
  problems: readonly string[],
): Promise<ScenarioResult> {
  for (const node of NODES) {
    const status = await statusOf(lab, node);
    if (status !== undefined) lab.note(node, "status", `${status.own.state}: ${status.own.outcome}`);
  }
  for (const vm of lab.vms) {
    const since = lab.collector.acks(vm.uuid);
    lab.note(
      vm.home,
      "vm",
      `${vm.name} (${vm.kind}): ${lab.collector.ackedCount(vm.uuid)} writes, executing ${lab.collector.isExecuting(vm.uuid, 500)} ${JSON.stringify(since).slice(0, 80)}`,
    );
  }
  const timeline = await timelineOf(lab, faultAt ?? Date.now());
  const none = { stallMs: { max: null, median: null }, suspectMs: null, deadMs: null, storageBackMs: null };
  const unknown = { vmsStartingMs: null, ackedWritesLost: null, doubleRuns: null, twoWriters: null };
  return {
    scenario: order.scenario,
    policy: order.policy,
    passed: false,
    ...none,
    ...unknown,
    timeline,
    why: problems.join("; "),
  };
}

async function timelineOf(lab: Lab, zero: number): Promise<ScenarioResult["timeline"]> {
  const logs = await Promise.all(NODES.map((node) => daemonLog(lab, node)));
  const all: readonly LabEvent[] = [...lab.events, ...logs.flat()];
  return all
    .filter((e) => e.event !== "pool.step" && e.event !== "bmc.asked")
    .map((e) => ({ atMs: Math.round(e.wallMs - zero), node: e.node, event: e.event, detail: e.detail }))
    .toSorted((a, b) => a.atMs - b.atMs);
}
