// XAPI as the daemon uses it: own thin client, every call with a deadline, no polling (event.from feeds a cache).

import type { Millis } from "../../core/model/time.ts";
import type { Result } from "../../util/result.ts";

export type XapiError =
  /** xapi answered with an error: it is alive. `code` and `params` as xapi.md 1.3. */
  | { readonly kind: "api"; readonly call: string; readonly code: string; readonly params: readonly string[] }
  | { readonly kind: "timeout"; readonly call: string; readonly afterMs: Millis }
  | { readonly kind: "transport"; readonly call: string; readonly reason: string }
  | { readonly kind: "malformed"; readonly call: string; readonly sample: string };

export type XapiValue = string | number | boolean | null | readonly XapiValue[] | { readonly [key: string]: XapiValue };

/** One endpoint: the local unix socket, or a peer over HTTPS. */
export type XapiEndpoint =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "https"; readonly host: string; readonly port: number; readonly fingerprint: string | null }
  | { readonly kind: "http"; readonly host: string; readonly port: number };

export interface XapiCaller {
  /** One POST, one deadline, no retry. `signal` gives the call up early: answered as `transport`. */
  call(
    method: string,
    params: readonly XapiValue[],
    deadlineMs: Millis,
    signal?: AbortSignal,
  ): Promise<Result<XapiValue, XapiError>>;
}

/** A caller that is logged in: it puts its session reference in front of the parameters. Never logs in again by itself. */
export interface XapiSession extends XapiCaller {
  /** Pool sessions live in the master's database, local ones in the memory of one xapi process. */
  readonly scope: "pool" | "local";
  /** Failure is of no consequence: xapi drops the session at its next restart or after a day. */
  logout(deadlineMs: Millis): Promise<void>;
}

/** The ways into a pool. Every opening is one login with one deadline. */
export interface XapiGate {
  /**
   * Normal session on the local unix socket; a supporter forwards it to the master, so with a dead master this
   * ends as `timeout` (xapi.md 0.4), never earlier.
   */
  openPool(deadlineMs: Millis, signal?: AbortSignal): Promise<Result<XapiSession, XapiError>>;
  /** Local session on the local unix socket: the emergency calls only. Works whatever the master does. */
  openLocal(deadlineMs: Millis, signal?: AbortSignal): Promise<Result<XapiSession, XapiError>>;
  /** Local session at another host of the pool, with the pool secret over HTTPS. */
  openPeerLocal(address: string, deadlineMs: Millis, signal?: AbortSignal): Promise<Result<XapiSession, XapiError>>;
}

/** What xapi leaves on this host's disk: readable while xapi itself answers nothing. */
export interface XapiNodePort {
  /** /etc/xensource/pool.conf. `changedAtMs` is the file's wall-clock time, for comparison with the cookie's only. */
  role(): Promise<Result<NodeRole, string>>;
  /** The same text as last time: that file was not written since. Null: it may have been. Costs less than reading it. */
  roleStamp(): Promise<string | null>;
  /** Wall-clock time of the init-complete cookie; null while it is absent. */
  initCompleteAtMs(): Promise<Result<number | null, string>>;
}

export type NodeRole =
  | { readonly kind: "master"; readonly changedAtMs: number }
  | { readonly kind: "supporter"; readonly master: string; readonly changedAtMs: number }
  /** xapi writes this for a moment while the role is handed over. */
  | { readonly kind: "broken"; readonly changedAtMs: number };

export interface PoolVm {
  readonly ref: string;
  readonly uuid: string;
  readonly name: string;
  readonly powerState: "Halted" | "Paused" | "Running" | "Suspended";
  /** Reference of the host; null when it runs nowhere. */
  readonly residentOn: string | null;
  readonly memoryStaticMax: number;
  readonly memoryDynamicMin: number;
  /** What the hypervisor takes for it besides its own memory. */
  readonly memoryOverhead: number;
  readonly order: number;
  readonly startDelay: number;
  readonly restartPriority: string;
  readonly appliance: string | null;
  readonly otherConfig: Readonly<Record<string, string>>;
  /** Operations under way: "start_on", "clean_shutdown" … */
  readonly operations: readonly string[];
}

export interface PoolHost {
  readonly ref: string;
  readonly uuid: string;
  readonly name: string;
  readonly address: string;
  readonly enabled: boolean;
  readonly live: boolean;
  readonly otherConfig: Readonly<Record<string, string>>;
  readonly memoryTotal: number;
  readonly memoryFree: number;
  /** What all guests together may have: the total less what the hypervisor and the control domain take. */
  readonly memoryForGuests: number;
}

/** The pool as the last events left it. */
export interface PoolView {
  readonly poolRef: string;
  readonly poolUuid: string;
  readonly masterRef: string;
  readonly haEnabled: boolean;
  readonly otherConfig: Readonly<Record<string, string>>;
  readonly hosts: readonly PoolHost[];
  readonly vms: readonly PoolVm[];
  readonly appliances: readonly { readonly ref: string; readonly uuid: string; readonly name: string }[];
  /** PBDs of the storage SR(s) per host. */
  readonly pbds: readonly {
    readonly ref: string;
    readonly host: string;
    readonly sr: string;
    readonly attached: boolean;
    readonly deviceConfig: Readonly<Record<string, string>>;
  }[];
  readonly srs: readonly {
    readonly ref: string;
    readonly uuid: string;
    readonly type: string;
    readonly shared: boolean;
  }[];
  /** SHA-256 fingerprints of the certificates the hosts serve with on 443. */
  readonly certificates: readonly { readonly host: string; readonly fingerprint: string }[];
}

/** A host as its record says; liveness and memory are in its metrics. */
export interface HostRecord extends Omit<PoolHost, "live" | "memoryTotal" | "memoryFree" | "memoryForGuests"> {
  readonly metricsRef: string;
  readonly memoryOverhead: number;
}

/** A VM with what only recovery needs. */
export interface VmRecord extends PoolVm {
  /** False: a template, a snapshot or a control domain, never protected and never started. */
  readonly real: boolean;
  readonly controlDomain: boolean;
  /** References of its VBDs. */
  readonly disks: readonly string[];
}

export interface PoolRecord {
  readonly ref: string;
  readonly uuid: string;
  readonly masterRef: string;
  readonly haEnabled: boolean;
  readonly otherConfig: Readonly<Record<string, string>>;
}

export interface VdiRecord {
  readonly ref: string;
  readonly uuid: string;
  /** SM's locks among others: `host_<reference>` = RW or RO (xapi.md 2.6). */
  readonly smConfig: Readonly<Record<string, string>>;
}

export interface TaskRecord {
  readonly status: "pending" | "success" | "failure" | "cancelling" | "cancelled";
  readonly error: { readonly code: string; readonly params: readonly string[] } | null;
}

/** Typed reads, each one call. A record that cannot be read makes the whole answer `malformed`: half a list is no list. */
export interface XapiRecords {
  pool(caller: XapiCaller, ask: Ask): Promise<Result<PoolRecord, XapiError>>;
  hosts(caller: XapiCaller, ask: Ask): Promise<Result<readonly HostRecord[], XapiError>>;
  /** Whether xapi believes the host alive; it does so for ten minutes after its death (xapi.md 6.2). */
  isLive(caller: XapiCaller, host: HostRecord, ask: Ask): Promise<Result<boolean, XapiError>>;
  vms(caller: XapiCaller, ask: Ask): Promise<Result<readonly VmRecord[], XapiError>>;
  vm(caller: XapiCaller, ref: string, ask: Ask): Promise<Result<VmRecord, XapiError>>;
  pbds(caller: XapiCaller, ask: Ask): Promise<Result<PoolView["pbds"], XapiError>>;
  srs(caller: XapiCaller, ask: Ask): Promise<Result<PoolView["srs"], XapiError>>;
  vdis(caller: XapiCaller, ask: Ask): Promise<Result<readonly VdiRecord[], XapiError>>;
  /** VBD reference -> VDI reference; null for an empty drive. */
  vbdDisks(caller: XapiCaller, ask: Ask): Promise<Result<ReadonlyMap<string, string | null>, XapiError>>;
  appliances(caller: XapiCaller, ask: Ask): Promise<Result<PoolView["appliances"], XapiError>>;
  task(caller: XapiCaller, ref: string, ask: Ask): Promise<Result<TaskRecord, XapiError>>;
}

export interface Ask {
  readonly deadlineMs: Millis;
  readonly signal?: AbortSignal;
}

/** One line for the log and for the administrator. */
export function describeXapi(error: XapiError): string {
  switch (error.kind) {
    case "api":
      return `xapi refused ${error.call}: ${[error.code, ...error.params].join(" ")}`;
    case "timeout":
      return `xapi gave no answer to ${error.call} within ${error.afterMs} ms`;
    case "transport":
      return `Cannot reach xapi for ${error.call}: ${error.reason}`;
    case "malformed":
      return `xapi answered ${error.call} with what cannot be read: "${error.sample}"`;
  }
}
