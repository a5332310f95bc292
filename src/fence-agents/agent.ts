// The contract of agents/EXAMPLE over a device: start, stop, reset, status, monitor. `stop` reads the power back itself; in
// doubt every answer is "cannot tell" (1), never "off" (2).

import { setTimeout as sleep } from "node:timers/promises";
import { err, ok, type Result } from "../util/result.ts";
import { deadlineIn, type Deadline } from "./deadline.ts";
import type { Device, PowerState } from "./device.ts";
import { findHost, UUID } from "./hosts-file.ts";
import { openDevice } from "./methods.ts";

export interface Call {
  readonly method: string;
  readonly hostId: string;
  readonly action: string;
  /** FENCE_IPADDRESS. */
  readonly address: string;
  readonly password: string;
  /** Text of `<METHOD>.hosts`; null: there is none. */
  readonly hosts: string | null;
  /** What this call may take, all of it. */
  readonly timeoutMs: number;
}

export interface Answer {
  readonly code: 0 | 1 | 2 | 3;
  readonly stdout: string;
  readonly stderr: string;
}

const ACTIONS = ["start", "stop", "reset", "status", "monitor"] as const;
type Action = (typeof ACTIONS)[number];
const POLL_MS = 250;

const failed = (reason: string): Answer => ({ code: 1, stdout: "", stderr: reason });
const done: Answer = { code: 0, stdout: "", stderr: "" };

export async function answer(call: Call): Promise<Answer> {
  const { method, hostId, hosts } = call;
  if (!UUID.test(hostId)) return failed(`Cannot use "${hostId.slice(0, 40)}": expected the UUID of a host`);
  const action = ACTIONS.find((one) => one === call.action);
  if (action === undefined)
    return { code: 3, stdout: "", stderr: `Cannot ${call.action}: expected ${ACTIONS.join(", ")}` };
  if (hosts === null) return failed(`Cannot find ${method}.hosts: write it beside the agent, see the README`);
  const line = findHost(hosts, hostId, `${method}.hosts`);
  if (!line.ok) return failed(line.error);
  const deadline = deadlineIn(call.timeoutMs);
  const target = { ...line.value, address: call.address, password: call.password };
  const device = await openDevice(method, target, deadline);
  if (!device.ok) return failed(`${method}.hosts, host ${hostId}: ${device.error}`);
  try {
    return await perform(device.value, action, deadline);
  } finally {
    await device.value.close();
  }
}

async function perform(device: Device, action: Action, deadline: Deadline): Promise<Answer> {
  switch (action) {
    case "status":
      return powerAnswer(await device.state());
    case "monitor":
      return monitor(device);
    case "stop":
      return plain(await switchTo(device, "off", deadline));
    case "start":
      return plain(await switchTo(device, "on", deadline));
    case "reset": {
      // Off is verified before on: a device's own reset has no moment of verified power-off.
      const off = await switchTo(device, "off", deadline);
      return off.ok ? plain(await switchTo(device, "on", deadline)) : plain(off);
    }
  }
}

const plain = (result: Result<null, string>): Answer => (result.ok ? done : failed(result.error));

function powerAnswer(state: Result<PowerState, string>): Answer {
  if (!state.ok) return failed(state.error);
  return { code: state.value === "off" ? 2 : 0, stdout: state.value, stderr: "" };
}

/** As `status`, and whether `stop` would be allowed. */
async function monitor(device: Device): Promise<Answer> {
  const state = await device.state();
  if (!state.ok || state.value === "off") return powerAnswer(state);
  const may = await device.mayOff();
  return may.ok ? powerAnswer(state) : failed(may.error);
}

/** Orders, then reads back until the device says so itself; an order refused by a device in the wanted state is no failure. */
async function switchTo(device: Device, wanted: PowerState, deadline: Deadline): Promise<Result<null, string>> {
  const ordered = wanted === "off" ? await device.off() : await device.on();
  let last = "";
  while (deadline.left() > 0) {
    const state = await device.state();
    if (state.ok && state.value === wanted) return ok(null);
    if (!ordered.ok) return ordered;
    if (state.ok) last = `the device still says ${state.value}`;
    // The last reading is cut off by the deadline as a rule; what an earlier one said tells more.
    else if (deadline.left() > 0 || last === "") last = state.error;
    await sleep(Math.min(POLL_MS, deadline.left()));
  }
  return ordered.ok ? err(`the power did not read ${wanted} in time: ${last}`) : ordered;
}
