// The ways a driver can fail, shared by all ports. The wording for people is made in one place: `describe`.

import type { Millis } from "../core/model/time.ts";

export type DriverError =
  | { readonly kind: "timeout"; readonly command: string; readonly afterMs: Millis }
  | { readonly kind: "busy"; readonly command: string; readonly pid: number }
  | { readonly kind: "exit"; readonly command: string; readonly code: number; readonly stderr: string }
  | { readonly kind: "missing"; readonly command: string; readonly reason: string }
  | { readonly kind: "parse"; readonly command: string; readonly sample: string }
  | { readonly kind: "unverified"; readonly action: string; readonly expected: string; readonly found: string };

/** One line for the log and for the administrator. */
export function describe(error: DriverError): string {
  switch (error.kind) {
    case "timeout":
      return `${error.command} gave no answer within ${error.afterMs} ms`;
    case "busy":
      return `${error.command} is still held by an earlier call (pid ${error.pid}) that never returned`;
    case "exit":
      return `${error.command} ended with ${error.code}: ${error.stderr.trim().split("\n").slice(-2).join(" / ")}`;
    case "missing":
      return `${error.command} cannot be started: ${error.reason}`;
    case "parse":
      return `${error.command} printed what cannot be read: "${error.sample.slice(0, 120)}"`;
    case "unverified":
      return `${error.action} did not take effect: found ${error.found}, expected ${error.expected}`;
  }
}
