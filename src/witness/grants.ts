// The witness's one decision: request in, new table and answer out. Pure; what it returns must be durable before the
// answer leaves.
//
// A grant never expires (A1): its holder may have committed on it and lost the witness since. It ends by the holder's own
// release, or when the owner of a later epoch reports that both copies agree again.

import type { WitnessAnswer, WitnessRequest } from "../core/model/witness.ts";
import type { Instant } from "../core/model/time.ts";
import { demands, type RuleSwitches } from "../core/rules.ts";
import { assertNever } from "../util/assert.ts";

export interface Grant {
  readonly holder: string;
  /** The epoch the holder said it would commit, or owned when it asked. */
  readonly epoch: number;
}

/** What is known of one resource of one pool. */
export interface GrantRecord {
  /** Newest epoch an owner reported, and that owner; null before the first report. */
  readonly epoch: number;
  readonly owner: string | null;
  readonly grant: Grant | null;
}

/** By the pool's UUID, then by resource. */
export type GrantTable = Readonly<Record<string, PoolGrants>>;
export type PoolGrants = Readonly<Record<string, GrantRecord>>;

export interface Question {
  readonly poolId: string;
  readonly host: string;
  readonly request: WitnessRequest;
  /** The stamp this host saw last; null: none yet. */
  readonly seen: number | null;
}

export interface WitnessContext {
  readonly now: Instant;
  /** When this process began to answer, on the same clock as `now`. */
  readonly startedAt: Instant;
  /**
   * Of this pool, in this process: a grant or a release must quote it and uses it up. So an old packet, or a release that
   * a later grant overtook, changes nothing.
   */
  readonly stamp: number;
  readonly nextStamp: number;
  readonly rules: RuleSwitches;
}

export interface Decision {
  /** The very same object when nothing changed. */
  readonly table: GrantTable;
  readonly answer: WitnessAnswer;
  /** The stamp in force from now on. */
  readonly stamp: number;
}

/** Above it a pool's question about yet another resource is refused. */
const largestResources = 256;
const nothingKnown: GrantRecord = { epoch: 0, owner: null, grant: null };

export function decide(table: GrantTable, question: Question, context: WitnessContext): Decision {
  const { poolId, host, request, seen } = question;
  const pool = table[poolId] ?? {};
  const asksForChange = request.kind !== "query";
  if (asksForChange && seen !== context.stamp)
    return refuse(table, question, context.stamp, "the grants changed since this host saw them");
  const stamp = asksForChange ? context.nextStamp : context.stamp;
  const refusal = refusalOf(pool, question, context);
  if (refusal !== null) return refuse(table, question, stamp, refusal);
  const known = new Map(Object.entries(pool));
  let changed = false;
  for (const resource of request.resources) {
    const record = known.get(resource);
    const next = applied(record, host, request);
    if (next === undefined || next === record) continue;
    known.set(resource, next);
    changed = true;
  }
  const after = changed ? Object.fromEntries(known) : pool;
  return {
    table: changed ? { ...table, [poolId]: after } : table,
    answer: answerOf(after, host, request, stamp, null),
    stamp,
  };
}

/** What is answered when nothing may change; also used for a table that could not be made durable. */
export function refuse(table: GrantTable, question: Question, stamp: number, refusal: string): Decision {
  return {
    table,
    answer: answerOf(table[question.poolId] ?? {}, question.host, question.request, stamp, refusal),
    stamp,
  };
}

function refusalOf(pool: PoolGrants, { request, host }: Question, context: WitnessContext): string | null {
  const { kind, resources } = request;
  const added = resources.filter((name) => pool[name] === undefined).length;
  if (Object.keys(pool).length + added > largestResources)
    return `more than ${largestResources} resources are known of this pool`;
  for (const name of resources) {
    const record = pool[name] ?? nothingKnown;
    const reason =
      kind === "grant"
        ? grantRefusal(record, host, request, context)
        : kind === "release"
          ? releaseRefusal(record, host, request)
          : null;
    if (reason !== null) return `${name}: ${reason}`;
  }
  return null;
}

function grantRefusal(
  { epoch, owner, grant }: GrantRecord,
  host: string,
  request: WitnessRequest,
  context: WitnessContext,
): string | null {
  if (grant !== null) return grant.holder === host ? null : `granted to the other host in epoch ${grant.epoch}`;
  if (request.epoch < epoch || (request.epoch === epoch && owner !== host))
    return `asked for epoch ${request.epoch}, but the owner is in epoch ${epoch} already`;
  // A17: what the old owner's last question was may be lost with the old process.
  const upMs = context.now - context.startedAt;
  if (!demands(context.rules, "A17", owner === host || upMs >= request.takeMs))
    return `the witness started ${Math.floor(upMs / 1000)} s ago and grants no change of owner before ${Math.ceil(request.takeMs / 1000)} s (A17)`;
  return null;
}

function releaseRefusal({ grant }: GrantRecord, host: string, request: WitnessRequest): string | null {
  if (grant === null || grant.holder === host) return null;
  // A1: the owner of a later epoch whose copies agree again speaks for a holder that cannot.
  if (request.owner && !request.solo && request.epoch > grant.epoch) return null;
  return `granted to the other host in epoch ${grant.epoch}`;
}

/** The record after an accepted request; undefined: still nothing known. */
function applied(record: GrantRecord | undefined, host: string, request: WitnessRequest): GrantRecord | undefined {
  switch (request.kind) {
    case "query":
      return learned(record, host, request);
    case "grant":
      return { ...(record ?? nothingKnown), grant: { holder: host, epoch: request.epoch } };
    case "release":
      return record === undefined || record.grant === null ? record : { ...record, grant: null };
    default:
      return assertNever(request.kind);
  }
}

/** Who owns the storage; and a witness that lost its table takes a solo owner's grant as given. */
function learned(record: GrantRecord | undefined, host: string, request: WitnessRequest): GrantRecord | undefined {
  const { epoch, owner, solo } = request;
  if (!owner) return record;
  if (record === undefined) return { epoch, owner: host, grant: solo ? { holder: host, epoch } : null };
  return epoch > record.epoch ? { ...record, epoch, owner: host } : record;
}

function answerOf(
  pool: PoolGrants,
  host: string,
  request: WitnessRequest,
  stamp: number,
  refusal: string | null,
): WitnessAnswer {
  const records = request.resources.map((name) => pool[name] ?? nothingKnown);
  const holders = records.flatMap(({ grant }) => (grant === null ? [] : [grant.holder]));
  return {
    granted: records.length > 0 && records.every(({ grant }) => grant?.holder === host),
    holder: holders.find((holder) => holder !== host) ?? holders[0] ?? null,
    epoch: Math.max(0, ...records.map(({ epoch, grant }) => Math.max(epoch, grant?.epoch ?? 0))),
    stamp,
    refusal,
  };
}
