// The witness's own file, text to checked values: where it listens, where its grants are, which pools it serves with
// which keys. Pure. Reports every problem at once; a file with an error yields nothing at all.

import { isIP } from "node:net";
import * as z from "zod/mini";
import type { PeerKey } from "../drivers/peer/keys.ts";
import { witnessKey } from "../drivers/witness/keys.ts";
import { err, ok, type Result } from "../util/result.ts";
import { said } from "./local-schema.ts";
import type { Problem } from "./problem.ts";
import { parseHostPort, UUID_PATTERN, type HostPort } from "./value.ts";
import { problemsAt, schemaProblems } from "./yaml-problems.ts";
import { readYaml } from "./yaml-text.ts";

export const WITNESS_FILE = "/etc/tandem/witness.yaml";

export interface WitnessPool {
  readonly poolId: string;
  readonly keys: readonly PeerKey[];
}

export interface WitnessConfig {
  readonly listen: readonly HostPort[];
  readonly stateFile: string;
  readonly pools: readonly WitnessPool[];
}

const listOf = (value: unknown): unknown => (typeof value === "string" ? [value] : value);
const place = "an address and a port, such as 0.0.0.0:7695 or [::]:7695";

const shape = z.strictObject(
  {
    listen: z._default(
      z.pipe(
        z.transform(listOf),
        z
          .array(
            z.string(said(place)).check(z.refine((text) => isIP(parseHostPort(text)?.host ?? "") !== 0, said(place))),
            said(place),
          )
          .check(z.minLength(1, said(place))),
      ),
      ["0.0.0.0:7695"],
    ),
    state: z._default(
      z.string(said("an absolute path")).check(z.regex(/^\/[A-Za-z0-9_./-]+$/, said("an absolute path"))),
      "/var/lib/tandem-witness/grants.json",
    ),
    pools: z
      .array(
        z.strictObject(
          {
            uuid: z.string(said("a UUID")).check(z.toLowerCase(), z.regex(UUID_PATTERN, said("a UUID"))),
            keys: z.pipe(
              z.transform(listOf),
              z
                .array(z.string(said("a key")), said("one key, or two during an exchange"))
                .check(z.minLength(1), z.maxLength(2)),
            ),
          },
          said("a pool with uuid and keys"),
        ),
        said("a list of pools"),
      )
      .check(z.minLength(1, said("at least one pool"))),
  },
  said("listen, state and pools"),
);

export function parseWitnessFile(text: string): Result<WitnessConfig, readonly Problem[]> {
  const yaml = readYaml(text);
  if (!yaml.ok) return yaml;
  const problem = problemsAt(yaml.value);
  const parsed = shape.safeParse(yaml.value.data ?? {});
  if (!parsed.success) return err(schemaProblems(parsed.error, problem));
  const problems: Problem[] = [];
  const owners = new Map<number, string>();
  const pools = parsed.data.pools.map(({ uuid, keys }, i): WitnessPool => {
    if (parsed.data.pools.findIndex((other) => other.uuid === uuid) < i)
      problems.push(problem(["pools", i, "uuid"], `pool ${uuid} twice`, "each pool once", "remove one of them"));
    const made = keys.flatMap((line, k) => {
      const key = witnessKey(line, uuid);
      if (key.ok) return [key.value];
      problems.push(
        problem(
          ["pools", i, "keys", k],
          key.error,
          "64 hexadecimal digits",
          "make one with 'tandem witness --new-key'",
        ),
      );
      return [];
    });
    for (const { keyId } of made) {
      if (owners.has(keyId))
        problems.push(
          problem(
            ["pools", i, "keys"],
            "a key that stands here twice",
            "different keys",
            "make a new one for this pool",
          ),
        );
      owners.set(keyId, uuid);
    }
    return { poolId: uuid, keys: made };
  });
  if (problems.length > 0) return err(problems);
  const listen = parsed.data.listen.flatMap((one) => parseHostPort(one) ?? []);
  return ok({ listen, stateFile: parsed.data.state, pools });
}
