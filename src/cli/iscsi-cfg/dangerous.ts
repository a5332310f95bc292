// The two commands that may lose data when the person is wrong: name what is risked, and make the person name the peer.
// Must never send them unasked, and never for a peer that was not named.

import type { StatusDocument } from "../../core/model/status.ts";
import { question } from "../ask-person.ts";
import { isInteractive } from "../context.ts";
import type { CliContext } from "../context.ts";
import { ask, note, run } from "../request.ts";
import type { ExitCode } from "../request.ts";
import { clean, duration } from "../text.ts";

export async function becomePrimary(
  context: CliContext,
  { force, peer, json }: { readonly force: boolean; readonly peer: string | null; readonly json: boolean },
): Promise<ExitCode> {
  if (!force) return run(context, { kind: "become-primary", force: false, peerName: null }, json);
  const named = peer ?? (await nameOfPeer(context, "--peer NAME"));
  if (typeof named === "number") return named;
  return run(context, { kind: "become-primary", force: true, peerName: named }, json);
}

export async function confirmPeerOff(context: CliContext, peer: string | null, json: boolean): Promise<ExitCode> {
  const named = peer ?? (await nameOfPeer(context, "the name of the peer"));
  if (typeof named === "number") return named;
  return run(context, { kind: "confirm-peer-off", peerName: named }, json);
}

/** The typed name, or the exit code when there is none. */
async function nameOfPeer(context: CliContext, argument: string): Promise<string | ExitCode> {
  if (!isInteractive(context)) {
    note(context, `Cannot ask for the peer's name: found no terminal, expected ${argument} on the command line`);
    return 2;
  }
  const reply = await ask(context, { kind: "status" }, false);
  if (reply === null) return 1;
  if (reply.kind !== "status") {
    note(context, `Cannot see what is at risk: tandemd answered ${reply.kind}, expected its status`);
    return 1;
  }
  for (const line of risks(reply.status)) note(context, line, "  ");
  const typed = await question(context, "Type the name of the peer to go on, or Enter to quit: ");
  if (typed !== "") return typed;
  note(context, "Nothing was done.");
  return 1;
}

function risks({ own, peer, contact, wallMs }: StatusDocument): string[] {
  const name = peer === null ? "the peer" : clean(peer.name);
  const silent = contact.silentMs === null ? "was never heard" : `was last heard ${duration(contact.silentMs)} ago`;
  const disks = own.resources.map(({ name: resource, view }) =>
    view === null ? `${resource} unknown` : `${resource} ${view.disk} (the peer's copy: ${view.peerDisk})`,
  );
  return [
    `CAUTION: if ${name} is still running, or comes back on its own, VMs can run twice and every write it acknowledged since the hosts lost one another is lost.`,
    `- ${name} ${contact.inContact ? "IS IN CONTACT NOW" : silent}; its last state: ${peer?.state ?? "unknown"}.`,
    `- Data here: ${clean(disks.join("; ") || "no resource")}.`,
    `- As seen ${duration(Date.now() - wallMs)} ago. Look at the power lamp of ${name} before you go on.`,
  ];
}
