// HP/HPE iLO 2 and later, by its command line over ssh: `power`, `power off hard`, `power on`.
// Its answers begin with status=0 and status_tag=COMMAND COMPLETED and then say "power: server power is currently: On".

import { err, ok, type Result } from "../util/result.ts";
import type { Deadline } from "./deadline.ts";
import type { Device, PowerState, Target } from "./device.ts";
import { unknownOption } from "./hosts-file.ts";
import { runOverSsh, SSH_OPTIONS, sshTarget } from "./ssh.ts";

/** The account that HA-Lizard used; any other is named by user=. */
const USER = "root";

export function openIlo(target: Target, deadline: Deadline): Result<Device, string> {
  const odd = unknownOption(target.options, SSH_OPTIONS);
  if (odd !== null) return err(odd);
  const ssh = sshTarget(target.device, target.options, target.password, USER);
  if (!ssh.ok) return ssh;
  const command = async (line: string): Promise<Result<string, string>> => {
    const answer = await runOverSsh(ssh.value, line, deadline);
    return answer.ok ? completed(answer.value.stdout, line) : answer;
  };
  const order = async (line: string): Promise<Result<null, string>> => {
    const done = await command(line);
    return done.ok ? ok(null) : done;
  };
  return ok({
    async state() {
      const answer = await command("power");
      return answer.ok ? readIloPower(answer.value) : answer;
    },
    off: () => order("power off hard"),
    on: () => order("power on"),
    // Its command line does not tell what an account may do without the right to administer accounts.
    mayOff: () => Promise.resolve(ok(null)),
    close: () => Promise.resolve(),
  });
}

function completed(text: string, line: string): Result<string, string> {
  const status = /^\s*status=(\d+)\s*$/m.exec(text)?.[1];
  const tag = /^\s*status_tag=(.*?)\s*$/m.exec(text)?.[1];
  if (status === "0" && tag === "COMMAND COMPLETED") return ok(text);
  const detail = /^\s*error_tag=(.*?)\s*$/m.exec(text)?.[1];
  return err(
    status === undefined
      ? `the iLO answered "${line}" with something else than its command line does`
      : `the iLO refused "${line}": status ${status} ${tag ?? ""}${detail === undefined ? "" : ` (${detail})`}`,
  );
}

/** Exactly one sentence about the power; two would contradict or repeat each other. */
export function readIloPower(text: string): Result<PowerState, string> {
  const said = [...text.matchAll(/^\s*power:\s*server power is currently:\s*(\S+)\s*$/gim)].map(([, word = ""]) =>
    word.toLowerCase(),
  );
  const [word] = said;
  if (said.length === 1 && (word === "on" || word === "off")) return ok(word);
  return err(
    `the iLO said ${said.length === 0 ? "nothing" : `"${said.join(", ")}"`} about its power, expected On or Off`,
  );
}
