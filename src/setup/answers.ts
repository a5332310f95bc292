// What an administrator decided about the storage: everything that both hosts need to be set up alike. Kept in the pool's
// database, so that the second host, a repeated run and a re-installed host find it there. Pure.

import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import * as z from "zod";
import { isInside, isSameAddress } from "../config/network.ts";
import type { Problem } from "../config/problem.ts";
import { UUID_PATTERN } from "../config/value.ts";
import { err, ok, type Result } from "../util/result.ts";

const HOST_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
/** No white space, no quotes: these names go into the configuration files of other programs. */
export const DEVICE_PATTERN = /^\/dev\/[A-Za-z0-9_.:/+-]{1,120}$/;

const address = z.string().refine((text) => isIP(text) !== 0, "an IP address");

const hostSchema = z.strictObject({
  uuid: z.string().regex(UUID_PATTERN, "a UUID"),
  /** As `uname -n` says it: DRBD finds its own section by it. */
  name: z.string().regex(HOST_NAME, "a host name"),
  management: address,
  replication: address,
  /** The disk under DRBD, by the most stable of its names. */
  disk: z.string().regex(DEVICE_PATTERN, "a disk such as /dev/sdb"),
});

const answersSchema = z.strictObject({
  poolUuid: z.string().regex(UUID_PATTERN, "a UUID"),
  hosts: z.tuple([hostSchema, hostSchema]),
  resource: z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/, "a name of letters and digits"),
  device: z.string().regex(/^\/dev\/drbd[0-9]{1,3}$/, "a device such as /dev/drbd1"),
  drbdPort: z.number().int().min(1).max(65_535),
  vip: address,
  prefix: z.number().int().min(1).max(128),
  interface: z.string().regex(/^[A-Za-z0-9_.:@-]{1,15}$/, "a network device"),
  iqn: z
    .string()
    .regex(/^iqn\.[0-9]{4}-[0-9]{2}\.[A-Za-z0-9.:_-]{1,200}$/, "a name such as iqn.2026-11.com.example:pool"),
  lun: z.number().int().min(1, "1 to 255; tgtd keeps LUN 0 for its controller").max(255),
  scsiId: z.string().regex(/^[!-~]{1,36}$/, "1 to 36 printable characters"),
  scsiSn: z.string().regex(/^[!-~]{1,36}$/, "1 to 36 printable characters"),
  linkMbit: z.number().int().min(10, "10 to 400000 Mbit/s").max(400_000, "10 to 400000 Mbit/s"),
  /** Whether both disks were found blank when they were first looked at: then their copies agree without a sync. */
  firstSync: z.enum(["skip", "full"]),
  srName: z.string().min(1).max(80),
});

export type SetupAnswers = z.infer<typeof answersSchema>;
export type SetupHost = SetupAnswers["hosts"][number];

/** What is kept in the pool's database, as the text of a XAPI Secret. */
export interface SetupRecord {
  readonly answers: SetupAnswers;
  /** DRBD's shared secret. */
  readonly drbdSecret: string;
}

const recordSchema = z.strictObject({
  format: z.literal("tandem-storage-setup"),
  version: z.literal(1),
  answers: answersSchema,
  drbdSecret: z.string().regex(/^[0-9a-f]{32,64}$/),
});

export const newDrbdSecret = (): string => randomBytes(24).toString("hex");

export const recordText = ({ answers, drbdSecret }: SetupRecord): string =>
  JSON.stringify({ format: "tandem-storage-setup", version: 1, answers, drbdSecret });

/** The error is a sentence and never holds the secret. */
export function parseRecord(text: string): Result<SetupRecord, string> {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return err("Cannot read the setup that is kept in the pool's database: found no JSON");
  }
  const parsed = recordSchema.safeParse(raw);
  if (parsed.success) return ok({ answers: parsed.data.answers, drbdSecret: parsed.data.drbdSecret });
  const where = parsed.error.issues[0]?.path.join(".") ?? "";
  return err(`Cannot read the setup that is kept in the pool's database: found another shape at "${where}"`);
}

/** Every mistake at once; the options that mend them are named as iscsi-cfg calls them. */
export function checkAnswers(raw: unknown): Result<SetupAnswers, readonly Problem[]> {
  const parsed = answersSchema.safeParse(raw);
  if (!parsed.success) {
    return err(
      parsed.error.issues.map(({ path, message }) =>
        problem(path.join("."), found(raw, path), message, "give another value"),
      ),
    );
  }
  const answers = parsed.data;
  const problems = relations(answers);
  return problems.length === 0 ? ok(answers) : err(problems);
}

function relations({ hosts, vip, prefix }: SetupAnswers): readonly Problem[] {
  const [first, second] = hosts;
  const problems: Problem[] = [];
  if (first.uuid === second.uuid || first.name === second.name)
    problems.push(problem("hosts", `${first.name} twice`, "two hosts", "run this in a pool of two hosts"));
  if (isSameAddress(first.replication, second.replication))
    problems.push(
      problem("--address", `${first.replication} on both hosts`, "an address of each host", "correct one of them"),
    );
  for (const host of hosts) {
    if (isIP(vip) !== isIP(host.replication) || !isInside(vip, { address: host.replication, prefix }))
      problems.push(
        problem(
          "--vip",
          `${vip}/${prefix}`,
          `a free address in the network of ${host.replication} (${host.name})`,
          "choose another floating IP or correct --address",
        ),
      );
    if ([host.replication, host.management].some((own) => isIP(own) === isIP(vip) && isSameAddress(own, vip)))
      problems.push(problem("--vip", `${vip}, which is ${host.name}'s own`, "an address of its own", "choose another"));
    if (isIP(host.management) === isIP(host.replication) && isSameAddress(host.management, host.replication))
      problems.push(
        problem(
          "--address",
          `${host.replication}, the management address of ${host.name}`,
          "an address on a link of its own between the hosts",
          "give the other network an address first (XenCenter, or xe pif-reconfigure-ip)",
        ),
      );
  }
  return problems;
}

const problem = (path: string, what: string, expected: string, action: string): Problem => ({
  path,
  line: null,
  severity: "error",
  found: what,
  expected,
  action,
});

function found(raw: unknown, path: readonly PropertyKey[]): string {
  const item = path.reduce<unknown>(
    (at, key) => (typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined),
    raw,
  );
  return item === undefined ? "nothing" : JSON.stringify(item);
}
