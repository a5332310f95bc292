/** How the master's database gets to its disk and to the other host: the copy a promotion starts from. */
import { writeDump } from "./db.ts";
import { isLive } from "./host-exec.ts";
import type { Json } from "./types.ts";
import type { Xapi } from "./xapi.ts";

export const flush = (xapi: Xapi): void => writeDump(xapi.options.paths.stateDb, xapi.db.dump());

/** Writes changes to the master's disk soon after they were made. */
export const keepFlushed = (xapi: Xapi): void => {
  let timer: NodeJS.Timeout | undefined;
  const later = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      flush(xapi);
    }, xapi.timings.dbFlushMs);
  };
  xapi.db.events.on("change", later);
  xapi.life.signal.addEventListener("abort", () => {
    xapi.db.events.off("change", later);
    if (timer !== undefined) {
      clearTimeout(timer);
      flush(xapi);
    }
  });
};

/** Gives one supporter the database of now. Resolves to whether it took it. */
export const pushTo = async (xapi: Xapi, host: string): Promise<boolean> => {
  const address = xapi.db.text("host", host, "address");
  const dump = xapi.db.dump() as unknown as Json;
  const reply = await xapi.peers.call(address, "receive_db", dump, { timeoutMs: 10_000 });
  return reply.kind === "ok";
};

/** Flushes and makes every live supporter take a copy now. */
export const syncDatabase = async (xapi: Xapi): Promise<void> => {
  flush(xapi);
  const others = xapi.db.refs("host").filter((host) => host !== xapi.here && isLive(xapi, host));
  await Promise.all(others.map((host) => pushTo(xapi, host)));
};
