/** event.from, event.next, event.register, event.inject: how clients watch the database. Changes nothing in it. */
import { createHash } from "node:crypto";
import type { Database } from "./db.ts";
import { action, query, type MethodContext, type MethodTable } from "./method.ts";
import { CLASS_NAMES, type ClassName, findClass } from "./schema.ts";
import { asNumber, asText, asTexts, fail, type Json, sleep } from "./types.ts";
import type { Xapi } from "./xapi.ts";

/** Sessions that called event.register, with what they last saw. Forgotten with the session. */
const registered = new WeakMap<Xapi, Map<string, { classes: string[]; generation: number }>>();

const printToken = (generation: number): string => `${String(generation).padStart(20, "0")},${"0".repeat(20)}`;

const parseToken = (token: string): number => {
  if (token === "") return 0;
  const match = /^(\d+),(\d+)$/.exec(token);
  return match ? Number(match[1]) : fail("EVENT_FROM_TOKEN_PARSE_FAILURE", token);
};

/** Which objects a subscription wants: "*", a class in any case, or class/reference. */
const subscription = (classes: readonly string[]): ((cls: ClassName, ref: string) => boolean) => {
  const wanted = classes.map((entry) => {
    const [name = "", ref] = entry.split("/");
    return { cls: name === "*" ? "*" : findClass(name), ref };
  });
  return (cls, ref) =>
    wanted.some((entry) => (entry.cls === "*" || entry.cls === cls) && (entry.ref === undefined || entry.ref === ref));
};

const collect = (db: Database, classes: readonly string[], since: number, fresh: boolean): Json[] => {
  const wants = subscription(classes);
  const found: { generation: number; event: Json }[] = [];
  for (const cls of CLASS_NAMES) {
    for (const ref of db.refs(cls)) {
      const { created, changed } = db.generations(cls, ref);
      if (changed <= since || !wants(cls, ref)) continue;
      const operation = fresh || created > since ? "add" : "mod";
      const head = { id: String(changed), timestamp: "0.0", class: cls.toLowerCase(), operation, ref };
      found.push({ generation: changed, event: { ...head, snapshot: db.record(cls, ref) } });
    }
  }
  if (!fresh) {
    for (const { generation, cls, ref } of db.deletions) {
      if (generation <= since || !wants(cls, ref)) continue;
      const event = { id: String(generation), timestamp: "0.0", class: cls.toLowerCase(), operation: "del", ref };
      found.push({ generation, event });
    }
  }
  return found.toSorted((a, b) => a.generation - b.generation).map(({ event }) => event);
};

const refCounts = (db: Database): Record<string, number> =>
  Object.fromEntries(CLASS_NAMES.map((cls) => [cls.toLowerCase(), db.refs(cls).length]));

const assertSession = ({ xapi, session, trusted }: MethodContext): void => {
  if (trusted === true || xapi.sessions.has(session) || xapi.localSessions.has(session)) return;
  fail("SESSION_INVALID", session);
};

/** Resolves when the database changes, the time is over or the caller is gone; throws when its session ends. */
const waitForChange = ({ xapi, session, gone }: MethodContext, timeoutMs: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      xapi.db.events.off("change", done);
      xapi.bus.off("session", ended);
      gone.removeEventListener("abort", done);
    };
    const done = (): void => {
      stop();
      resolve();
    };
    const ended = (ref: string): void => {
      if (ref !== session) return;
      stop();
      try {
        fail("SESSION_INVALID", ref);
      } catch (error) {
        reject(error);
      }
    };
    const timer = setTimeout(done, timeoutMs);
    xapi.db.events.on("change", done);
    xapi.bus.on("session", ended);
    gone.addEventListener("abort", done);
  });

const from = async (context: MethodContext, args: Json[]): Promise<Json> => {
  const { xapi, gone } = context;
  const { db } = xapi;
  const classes = asTexts(args[0]);
  const token = asText(args[1]);
  const since = parseToken(token);
  const deadline = performance.now() + asNumber(args[2]) * 1000;
  await sleep(xapi.timings.eventBatchMs);
  for (;;) {
    const events = collect(db, classes, since, token === "");
    const left = deadline - performance.now();
    if (events.length > 0 || left <= 0 || gone.aborted || xapi.life.signal.aborted) {
      const nextToken = events.length > 0 || token === "" ? printToken(db.generation) : token;
      return { events, valid_ref_counts: refCounts(db), token: nextToken };
    }
    assertSession(context);
    await waitForChange(context, left);
    await sleep(xapi.timings.eventBatchMs);
  }
};

const next = async (context: MethodContext): Promise<Json> => {
  const { xapi, session, gone } = context;
  const seen = registered.get(xapi)?.get(session);
  if (!seen) {
    return fail("SESSION_NOT_REGISTERED", `trackid=${createHash("md5").update(session).digest("hex")}`);
  }
  for (;;) {
    const events = collect(xapi.db, seen.classes, seen.generation, false);
    if (events.length > 0 || gone.aborted) {
      seen.generation = xapi.db.generation;
      return events;
    }
    assertSession(context);
    await waitForChange(context, 3_600_000);
    await sleep(xapi.timings.eventBatchMs);
  }
};

const remember = (xapi: Xapi): Map<string, { classes: string[]; generation: number }> => {
  const known = registered.get(xapi) ?? new Map<string, { classes: string[]; generation: number }>();
  registered.set(xapi, known);
  return known;
};

export const eventMethods: MethodTable = {
  "event.from": query(["[s]", "s", "f"], from, { noAsync: true }),
  "event.next": query([], next, { noAsync: true }),
  "event.register": action(
    ["[s]"],
    ({ xapi, session }, [classes]) => {
      remember(xapi).set(session, { classes: asTexts(classes), generation: xapi.db.generation });
    },
    { noAsync: true },
  ),
  "event.unregister": action(["[s]"], ({ xapi, session }) => void remember(xapi).delete(session), { noAsync: true }),
  "event.get_current_id": query([], ({ xapi }) => xapi.db.generation, { noAsync: true }),
  "event.inject": query(
    ["s", "s"],
    ({ xapi }, [name, ref]) => {
      const cls = findClass(asText(name)) ?? fail("HANDLE_INVALID", asText(name), asText(ref));
      if (!xapi.db.has(cls, asText(ref))) fail("HANDLE_INVALID", cls, asText(ref));
      const before = xapi.db.generation;
      xapi.db.touch(cls, asText(ref));
      return printToken(before);
    },
    { noAsync: true },
  ),
};
