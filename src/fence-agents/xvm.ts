// Hosts that are virtual machines of one outer XCP-ng host (test pools): `xe` over ssh in its dom0.

import { err, ok, type Result } from "../util/result.ts";
import type { Deadline } from "./deadline.ts";
import type { Device, PowerState, Target } from "./device.ts";
import { UUID, unknownOption } from "./hosts-file.ts";
import { runOverSsh, SSH_OPTIONS, sshTarget } from "./ssh.ts";

const USER = "root";

export function openXvm(target: Target, deadline: Deadline): Result<Device, string> {
  const odd = unknownOption(target.options, [...SSH_OPTIONS, "address"]);
  if (odd !== null) return err(odd);
  const vm = target.device.toLowerCase();
  // It becomes part of a command line on the outer host.
  if (!UUID.test(vm)) return err(`found "${target.device}", expected the UUID of a VM of the outer host`);
  const address = target.options.get("address") ?? target.address;
  if (address === "") return err("FENCE_IPADDRESS is not set, and the line has no address=");
  const ssh = sshTarget(address, target.options, target.password, USER);
  if (!ssh.ok) return ssh;

  const xe = async (words: string): Promise<Result<string, string>> => {
    const answer = await runOverSsh(ssh.value, `xe ${words}`, deadline);
    if (!answer.ok) return answer;
    const { stdout, stderr, code } = answer.value;
    if (code === 0) return ok(stdout.trim());
    const last = stderr.trim().split("\n").slice(0, 2).join(" ");
    return err(`"xe ${words}" ended with ${code ?? "no exit code"} on ${address}: ${last}`);
  };
  const order = async (words: string): Promise<Result<null, string>> => {
    const done = await xe(words);
    return done.ok ? ok(null) : done;
  };
  return ok({
    async state() {
      const said = await xe(`vm-param-get uuid=${vm} param-name=power-state`);
      return said.ok ? readXePower(said.value) : said;
    },
    off: () => order(`vm-shutdown uuid=${vm} force=true`),
    on: () => order(`vm-start uuid=${vm}`),
    async mayOff() {
      const allowed = await xe(`vm-param-get uuid=${vm} param-name=allowed-operations`);
      if (!allowed.ok) return allowed;
      return allowed.value.split(/[;,\s]+/).includes("hard_shutdown")
        ? ok(null)
        : err(`the outer host does not allow hard_shutdown of VM ${vm} now`);
    },
    close: () => Promise.resolve(),
  });
}

/** Only halted is off: a paused or suspended VM can write again the moment somebody resumes it. */
export function readXePower(word: string): Result<PowerState, string> {
  switch (word) {
    case "halted":
      return ok("off");
    case "running":
    case "paused":
    case "suspended":
      return ok("on");
    default:
      return err(`the outer host calls the power state "${word.slice(0, 40)}", expected running or halted`);
  }
}
