// The command line of a measuring VM.
// Must never fill in an address or a name by itself: a VM that writes to a guessed disk destroys it.
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { BLOCK_BYTES } from "./block.ts";

export interface VmOptions {
  readonly vm: string;
  readonly name: string;
  readonly node: string;
  readonly storage:
    | {
        readonly kind: "iscsi";
        readonly host: string;
        readonly port: number;
        readonly iqn: string;
        readonly initiatorIqn: string;
        readonly lun: number;
        readonly connectTimeoutMs?: number;
        readonly commandTimeoutMs?: number;
      }
    | { readonly kind: "device"; readonly path: string; readonly direct: boolean };
  readonly regionStartBytes: number;
  readonly regionBytes: number;
  readonly collector: { readonly host: string; readonly port: number };
  readonly stateFile?: string;
  readonly resumeFrom?: string;
  /** How long to wait for the file of --resume-from: a migration may start the receiving side first. */
  readonly resumeWaitMs: number;
  readonly ratePerSecond?: number;
}

export function splitAddress(text: string, option: string): { host: string; port: number } {
  const at = text.lastIndexOf(":");
  const port = Number(text.slice(at + 1));
  if (at < 1 || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Error(`Cannot use ${option}: found "${text}", expected ADDRESS:PORT`);
  }
  // An IPv6 address stands in brackets.
  return { host: text.slice(0, at).replace(/^\[(.*)\]$/, "$1"), port };
}

export function wholeNumber(text: string, option: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least) {
    throw new Error(`Cannot use ${option}: found "${text}", expected a whole number of at least ${least}`);
  }
  return value;
}

export function parseVmArguments(args: readonly string[]): VmOptions {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      vm: text,
      name: text,
      portal: text,
      iqn: text,
      lun: text,
      "region-start": text,
      "region-bytes": text,
      "initiator-iqn": text,
      collector: text,
      node: text,
      "state-file": text,
      "resume-from": text,
      "resume-wait-ms": text,
      device: text,
      buffered: { type: "boolean" },
      rate: text,
      "connect-timeout-ms": text,
      "command-timeout-ms": text,
    },
  });
  const need = (option: keyof typeof values): string => {
    const value = values[option];
    if (typeof value !== "string" || value === "") throw new Error(`Cannot start: found no --${option}, expected one`);
    return value;
  };
  const regionStartBytes = wholeNumber(need("region-start"), "--region-start", 0);
  const regionBytes = wholeNumber(need("region-bytes"), "--region-bytes", BLOCK_BYTES);
  if (regionStartBytes % BLOCK_BYTES !== 0 || regionBytes % BLOCK_BYTES !== 0) {
    throw new Error(
      `Cannot use the region: found ${regionStartBytes}+${regionBytes}, expected multiples of ${BLOCK_BYTES}`,
    );
  }
  const vm = need("vm").toLowerCase();
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(vm))
    throw new Error(`Cannot use --vm: found "${vm}", expected a UUID`);
  const connectTimeoutMs = values["connect-timeout-ms"];
  const commandTimeoutMs = values["command-timeout-ms"];
  return {
    vm,
    name: need("name"),
    node: values.node ?? hostname(),
    storage: values.device
      ? { kind: "device", path: values.device, direct: values.buffered !== true }
      : {
          kind: "iscsi",
          ...splitAddress(need("portal"), "--portal"),
          iqn: need("iqn"),
          initiatorIqn: need("initiator-iqn"),
          lun: wholeNumber(values.lun ?? "10", "--lun", 0),
          ...(connectTimeoutMs ? { connectTimeoutMs: wholeNumber(connectTimeoutMs, "--connect-timeout-ms", 1) } : {}),
          ...(commandTimeoutMs ? { commandTimeoutMs: wholeNumber(commandTimeoutMs, "--command-timeout-ms", 1) } : {}),
        },
    regionStartBytes,
    regionBytes,
    collector: splitAddress(need("collector"), "--collector"),
    resumeWaitMs: wholeNumber(values["resume-wait-ms"] ?? "0", "--resume-wait-ms", 0),
    ...(values["state-file"] ? { stateFile: values["state-file"] } : {}),
    ...(values["resume-from"] ? { resumeFrom: values["resume-from"] } : {}),
    ...(values.rate ? { ratePerSecond: wholeNumber(values.rate, "--rate", 1) } : {}),
  };
}
