// What the scripts print of the kernel's target. Pure.

import { err, ok, type Result } from "../../../util/result.ts";
import { STORE_PREFIX } from "./scripts.ts";

export interface ShownStore {
  readonly name: string;
  /** As its name says; null for a name that is not of our making. */
  readonly resource: string | null;
  readonly enabled: boolean;
  readonly device: string;
  /** Initiators know the disk by it; empty when none was written. */
  readonly serial: string;
}

export interface ShownLio {
  /** Null: there is no target of this IQN. */
  readonly enabled: boolean | null;
  readonly portals: readonly string[];
  readonly luns: readonly { readonly lun: number; readonly store: string }[];
  readonly stores: readonly ShownStore[];
  /** Initiator names, one for each session of an initiator that has no entry of its own. */
  readonly dynamic: readonly string[];
  /** Named initiators and where their (newest) session comes from; null without a session. */
  readonly named: readonly { readonly name: string; readonly address: string | null }[];
}

export const storeName = (lun: number, resource: string): string => `${STORE_PREFIX}${lun}.${resource}`;

/** The message is the line that could not be read. */
export function parseState(text: string): Result<ShownLio, string> {
  let enabled: boolean | null = null;
  const portals: string[] = [];
  const luns: { lun: number; store: string }[] = [];
  const stores: ShownStore[] = [];
  const dynamic: string[] = [];
  const named: { name: string; address: string | null }[] = [];
  // The kernel ends each name of a session with a zero byte too.
  for (const line of text.replaceAll("\0", "").split("\n")) {
    if (line === "") continue;
    const [what, first = "", second = "", third = "", ...rest] = line.split(" ");
    if (what === "tpg" && (first === "0" || first === "1")) enabled = first === "1";
    else if (what === "portal" && first !== "") portals.push(first);
    else if (what === "lun" && /^\d+$/.test(first) && second !== "") luns.push({ lun: Number(first), store: second });
    else if (what === "store" && first !== "" && (second === "0" || second === "1")) {
      const resource = /^tandem\.\d+\.(.+)$/.exec(first)?.[1] ?? null;
      stores.push({ name: first, resource, enabled: second === "1", device: third, serial: rest.join(" ") });
    } else if (what === "dynamic" && first !== "") dynamic.push(first);
    else if (what === "acl" && first !== "" && second !== "") {
      const address = /^\[(.+)\]$/.exec(second)?.[1] ?? second;
      named.push({ name: first, address: address === "-" ? null : address });
    } else return err(line);
  }
  return ok({ enabled, portals, luns, stores, dynamic, named });
}
