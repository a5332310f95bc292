// The options of a DRBD resource that the proofs of the protocol stand on (protocol.md 8). Pure: the caller asks drbdadm.
// A drift is an error: with another fencing policy or a second primary allowed, a takeover could lose acknowledged writes.

import type { Problem } from "./problem.ts";

export interface ConfiguredOptions {
  readonly name: string;
  readonly options: Readonly<Record<string, string>>;
}

interface Requirement {
  readonly option: string;
  readonly section: string;
  /** Where nothing is written: DRBD's own default (drbd.conf(5)). */
  readonly standard: string;
  readonly allowed: RegExp;
  readonly expected: string;
  readonly because: string;
}

const REQUIREMENTS: readonly Requirement[] = [
  {
    option: "protocol",
    section: "net",
    standard: "C",
    allowed: /^C$/i,
    expected: "C",
    because: "a write counts only when both disks have it",
  },
  {
    option: "fencing",
    section: "net (DRBD 8.4: disk)",
    standard: "dont-care",
    allowed: /^resource-and-stonith$/,
    expected: "resource-and-stonith",
    because: "writes must wait while it is not known which host goes on",
  },
  {
    option: "fence-peer",
    section: "handlers",
    standard: "nothing",
    allowed: /(^|\/)fence-peer$/,
    expected: "the fence-peer script of tandem",
    because: "DRBD asks tandem whether writes may go on",
  },
  {
    option: "allow-two-primaries",
    section: "net",
    standard: "no",
    allowed: /^no$/,
    expected: "no",
    because: "two writers destroy the data",
  },
  ...["after-sb-0pri", "after-sb-1pri", "after-sb-2pri", "rr-conflict"].map((option) => ({
    option,
    section: "net",
    standard: "disconnect",
    allowed: /^disconnect$/,
    expected: "disconnect",
    because: "data is never discarded without a person",
  })),
  {
    option: "on-io-error",
    section: "disk",
    standard: "detach",
    allowed: /^detach$/,
    expected: "detach",
    because: "a broken disk must not look like a good one",
  },
];

/** One problem for each option that is not as it must be. */
export function checkDrbdOptions(found: readonly ConfiguredOptions[]): readonly Problem[] {
  return found.flatMap(({ name, options }) =>
    REQUIREMENTS.flatMap(({ option, section, standard, allowed, expected, because }) => {
      const value = options[option] ?? standard;
      if (allowed.test(value)) return [];
      return [
        {
          path: `DRBD resource "${name}", ${option}`,
          line: null,
          severity: "error" as const,
          found: value,
          expected: `${expected}: ${because}`,
          action: `write it into the section ${section} of the resource on both hosts, then run \`drbdadm adjust ${name}\``,
        },
      ];
    }),
  );
}

/** What is not needed for safety and should be so all the same. */
export function adviseDrbdOptions(found: readonly ConfiguredOptions[]): readonly string[] {
  return found.flatMap(({ name, options }) => [
    ...(options["cram-hmac-alg"] === undefined || options["shared-secret"] === undefined
      ? [`${name} has no cram-hmac-alg with shared-secret: anybody on the replication network may connect`]
      : []),
    ...(options["auto-promote"] === "yes" ? [`${name} has auto-promote: write "auto-promote no"`] : []),
  ]);
}
