// The exporter's own file, text to checked values: where it listens besides its unix socket, and who may read. Pure.
// Reports every problem at once; a file with an error yields nothing at all.

import { isIP } from "node:net";
import * as z from "zod/mini";
import { err, ok, type Result } from "../util/result.ts";
import { said } from "./local-schema.ts";
import type { Problem } from "./problem.ts";
import { parseHostPort, type HostPort } from "./value.ts";
import { problemsAt, schemaProblems } from "./yaml-problems.ts";
import { readYaml } from "./yaml-text.ts";

export const METRICS_FILE = "/etc/tandem/metrics.yaml";

export interface MetricsConfig {
  /** On the network; empty: the unix socket alone. */
  readonly listen: readonly HostPort[];
  readonly tls: { readonly certificate: string; readonly key: string } | null;
  /** HTTP basic authentication on the network; null: whoever reaches the port may read. */
  readonly login: { readonly user: string; readonly password: string } | null;
}

export const SOCKET_ALONE: MetricsConfig = { listen: [], tls: null, login: null };

const place = "an address and a port, such as 192.168.1.241:9664 or [::]:9664";
const path = z.string(said("an absolute path")).check(z.regex(/^\/[A-Za-z0-9_./-]+$/, said("an absolute path")));
const shape = z.strictObject(
  {
    listen: z._default(
      z.pipe(
        z.transform((value: unknown) => (typeof value === "string" ? [value] : value)),
        z.array(
          z.string(said(place)).check(z.refine((text) => isIP(parseHostPort(text)?.host ?? "") !== 0, said(place))),
          said(place),
        ),
      ),
      [],
    ),
    tls: z.optional(z.strictObject({ certificate: path, key: path }, said("certificate and key"))),
    user: z.optional(
      z.string(said("a name without colon")).check(z.regex(/^[^:\s]{1,64}$/, said("a name without colon"))),
    ),
    password: z.optional(
      z
        .string(said("a password of 8 characters or more"))
        .check(
          z.minLength(8, said("a password of 8 characters or more")),
          z.maxLength(256, said("a password of at most 256 characters")),
        ),
    ),
  },
  said("listen, tls, user and password"),
);

export function parseMetricsFile(text: string): Result<MetricsConfig, readonly Problem[]> {
  const yaml = readYaml(text);
  if (!yaml.ok) return yaml;
  const problem = problemsAt(yaml.value);
  // A file of comments only is what the package brings.
  const { data } = yaml.value;
  const parsed = shape.safeParse(data === null || data === undefined || data === "" ? {} : data);
  if (!parsed.success) return err(schemaProblems(parsed.error, problem));
  const { user, password, tls, listen } = parsed.data;
  if ((user === undefined) !== (password === undefined))
    return err([problem([], "one of user and password", "both or neither", "write the other one too")]);
  if (user !== undefined && tls === undefined && listen.length > 0)
    return err([
      problem(["user"], "a login without tls", "tls: the password would travel in the open", "add tls, or remove it"),
    ]);
  return ok({
    listen: listen.flatMap((one) => parseHostPort(one) ?? []),
    tls: tls ?? null,
    login: user === undefined || password === undefined ? null : { user, password },
  });
}
