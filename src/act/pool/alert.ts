// Puts an alert into xapi, where XenCenter and Xen Orchestra show it. It must never fail what it reports about: the
// caller logs a failure and goes on.

import { ok } from "../../util/result.ts";
import { change, withPool, type Done, type PoolContext } from "./procedure.ts";

export interface PoolAlert {
  /** The type of message, in capitals like xapi's own. */
  readonly name: string;
  /** 1 = most urgent, 5 = informational. */
  readonly priority: 1 | 2 | 3 | 4 | 5;
  readonly about: { readonly class: "Host" | "Pool" | "SR" | "VM"; readonly uuid: string };
  readonly body: string;
}

/** xapi refuses bodies that are not UTF-8, so lone surrogates are replaced. */
export function raisePoolAlert(context: PoolContext, alert: PoolAlert): Promise<Done<"raised">> {
  return withPool(context, async (session) => {
    const params = [alert.name, alert.priority, alert.about.class, alert.about.uuid, alert.body.toWellFormed()];
    const made = await change(context, `raise alert ${alert.name}`, session, "message.create", params, context.readMs);
    return made.ok ? ok("raised") : made;
  });
}
