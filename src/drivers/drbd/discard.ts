// Gives a copy up after a split brain, and takes that back where it did not come to it. DRBD keeps `--discard-my-data` until the
// copies connect (drbdsetup(8)): a copy that is promoted before would lose at the next handshake what was written to it since.
// A note per resource tells of an order that may still stand; it outlives the daemon, and not a boot.

import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DrbdView } from "../../core/model/drbd.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { ClockPort } from "../clock/port.ts";
import type { DriverError } from "../driver-error.ts";
import type { ExecPort } from "../exec/port.ts";
import { keepCopy } from "./snapshot.ts";

export interface Discarding {
  /** `DrbdPort.discard`, of a resource that is up. */
  discard(resource: string, view: DrbdView, snapshot: boolean): Promise<Result<string, DriverError>>;
  /** Before a promotion; an error: the order may still stand, and the copy must not be written to. */
  withdraw(resource: string, view: DrbdView): Promise<Result<"withdrawn" | "nothing", DriverError>>;
  /** A connection that came about has used the order up. */
  noteViews(views: ReadonlyMap<string, DrbdView>): void;
}

type Drbdadm = (resource: string, ...args: readonly string[]) => Promise<Result<unknown, DriverError>>;

export function createDiscarding(exec: ExecPort, clock: ClockPort, directory: string, drbdadm: Drbdadm): Discarding {
  const noteOf = (resource: string): string => join(directory, encodeURIComponent(resource));

  function note(resource: string): Result<void, DriverError> {
    try {
      mkdirSync(directory, { recursive: true });
      writeFileSync(noteOf(resource), "");
      return ok(undefined);
    } catch (error) {
      const found = error instanceof Error ? error.message : String(error);
      return err({ kind: "unverified", action: `note the choice for ${resource}`, expected: "a file", found });
    }
  }

  const forget = (resource: string): void => rmSync(noteOf(resource), { force: true });

  /** 8.4 answers a disconnect at StandAlone with an error. */
  async function disconnect(resource: string, view: DrbdView): Promise<Result<unknown, DriverError>> {
    const done = await drbdadm(resource, "disconnect", resource);
    return done.ok || (done.error.kind === "exit" && view.connection === "StandAlone") ? ok("apart") : done;
  }

  return {
    async discard(resource, view, snapshot) {
      if (view.connection === "Connected") {
        const expected = "copies that grew apart";
        return err({ kind: "unverified", action: `give up ${resource}`, expected, found: "Connected" });
      }
      const stamp = new Date(clock.wallMs()).toISOString().replaceAll(/[-:]|\..*/g, "");
      const kept = snapshot ? await keepCopy(exec, resource, stamp) : ok("without a snapshot, as it was asked for");
      if (!kept.ok) return kept;
      const apart = await disconnect(resource, view);
      if (!apart.ok) return apart;
      const demoted = await drbdadm(resource, "secondary", resource);
      if (!demoted.ok) return demoted;
      const noted = note(resource);
      if (!noted.ok) return noted;
      const connected = await drbdadm(resource, "connect", "--discard-my-data", resource);
      return connected.ok ? kept : connected;
    },

    async withdraw(resource, view) {
      if (agreed(view) || !existsSync(noteOf(resource))) return ok("nothing");
      const apart = await disconnect(resource, view);
      if (!apart.ok) return apart;
      const connected = await drbdadm(resource, "connect", resource);
      if (!connected.ok) return connected;
      forget(resource);
      return ok("withdrawn");
    },

    noteViews(views) {
      for (const [resource, view] of views) if (agreed(view)) forget(resource);
    },
  };
}

/** DRBD 9 is Connected before the copies have compared their generations. */
const agreed = ({ connection, replication }: DrbdView): boolean => connection === "Connected" && replication !== "Off";
