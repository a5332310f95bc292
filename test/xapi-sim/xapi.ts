/**
 * One life of one xapi process: its role, phase, sessions and sockets. Answers requests by running them here,
 * passing them to the master or leaving them without an answer, as xapi does. Holds no rule about VMs or storage.
 */
import { randomUUID } from "node:crypto";
import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { execute } from "./dispatch.ts";
import { Database } from "./db.ts";
import { deriveFields } from "./allowed.ts";
import { runInternal } from "./internal.ts";
import { WHITELIST, EMERGENCY_CALLS } from "./routing.ts";
import { RECORDED_TIMINGS, type Timings, type XapiOptions } from "./options.ts";
import { createPeerClient, type PeerClient } from "./peer-client.ts";
import type { Role } from "./pool-conf.ts";
import { type AnswerStyle, type Call, decodeCall, encodeAnswer, type HttpReply } from "./rpc.ts";
import { openEndpoints, type Request } from "./transport.ts";
import { type Answer, type Json, sleep, toAnswer } from "./types.ts";

/** "connecting" is a supporter without its master: no emergency mode, just no answers. */
export type Phase =
  | { readonly kind: "booting" }
  | { readonly kind: "connecting" }
  | { readonly kind: "emergency"; readonly error: string[] }
  | { readonly kind: "ready" };

export interface Session {
  readonly originator: string;
  readonly user: string;
}

export type ExitReason = "restart" | "stopped";

export class Xapi {
  readonly options: XapiOptions;
  readonly role: Role;
  readonly timings: Timings;
  readonly db: Database;
  readonly peers: PeerClient;
  readonly sessions = new Map<string, Session>();
  readonly localSessions = new Set<string>();
  /** VMs with an operation in flight, by reference. */
  readonly busy = new Map<string, string>();
  /** News of a domain that came while its VM was busy, to be looked at after the operation. */
  readonly missed = new Map<string, () => void>();
  /** When each supporter was last heard, by host reference; monotonic milliseconds. */
  readonly lastHeard = new Map<string, number>();
  /** "session" with the reference when a session ends. */
  readonly bus = new EventEmitter();
  readonly life = new AbortController();
  /** Tells one life of a master from the next. */
  readonly lifeId = randomUUID();
  /** Whether this host's own start got as far as enabling itself. */
  canEnable = false;
  phase: Phase = { kind: "booting" };
  readonly exited: Promise<ExitReason>;
  #exit: (reason: ExitReason) => void = () => undefined;
  #closeSockets: () => Promise<void> = async () => undefined;
  #fuse: NodeJS.Timeout | undefined;

  constructor(options: XapiOptions, role: Role, db: Database) {
    this.options = options;
    this.role = role;
    this.db = db;
    this.timings = { ...RECORDED_TIMINGS, ...options.timings };
    this.peers = createPeerClient(
      () => this.poolSecret(),
      options.peerPort ?? options.httpsPort ?? 443,
      (address) => options.canReach?.(address) ?? true,
    );
    this.exited = new Promise((resolve) => {
      this.#exit = resolve;
    });
    this.bus.setMaxListeners(0);
    db.derive = (cls, ref, record) => deriveFields(db, this.busy, cls, ref, record);
  }

  log(line: string): void {
    this.options.log?.(line);
  }

  poolSecret(): string {
    return readFileSync(this.options.paths.poolSecret, "utf8");
  }

  get isMaster(): boolean {
    return this.role.kind === "master";
  }

  get masterAddress(): string {
    return this.role.kind === "supporter" ? this.role.masterAddress : this.options.address;
  }

  /** Reference of the host this xapi runs on; HANDLE_INVALID when the database does not know it. */
  get here(): string {
    return this.db.byUuid("host", this.options.hostUuid) ?? `OpaqueRef:${this.options.hostUuid}`;
  }

  async open(): Promise<void> {
    const { unixPath, address, httpPort, httpsPort, paths } = this.options;
    this.#closeSockets = await openEndpoints(
      {
        address,
        listenAddress: this.options.listenAddress ?? address,
        certificatePath: paths.certificate,
        ...(unixPath === undefined ? {} : { unixPath }),
        ...(httpPort === undefined ? {} : { httpPort }),
        ...(httpsPort === undefined ? {} : { httpsPort }),
      },
      (request) => this.#handle(request),
    );
  }

  /** Ends this life at once: every connection is cut, every session forgotten. */
  async close(reason: ExitReason): Promise<void> {
    clearTimeout(this.#fuse);
    this.life.abort();
    this.peers.close();
    await this.#closeSockets();
    this.#exit(reason);
  }

  /** Lets xapi answer a little longer, then exit so that it starts again in its new role. */
  lightFuse(afterMs: number = this.timings.fuseMs): void {
    if (this.#fuse !== undefined) return;
    this.#fuse = setTimeout(() => void this.close("restart"), afterMs);
  }

  every(periodMs: number, work: () => Promise<void> | void): void {
    if (this.life.signal.aborted) return;
    const timer = setInterval(() => {
      Promise.resolve(work()).catch((error: unknown) => this.log(`periodic work failed: ${String(error)}`));
    }, periodMs);
    this.life.signal.addEventListener("abort", () => clearInterval(timer));
  }

  endSession(ref: string): void {
    this.sessions.delete(ref);
    if (this.db.has("session", ref)) this.db.destroy("session", ref);
    this.bus.emit("session", ref);
  }

  /**
   * Asks the master and never gives up while the caller waits: a supporter whose master is dead does not answer.
   * A call that was already sent is repeated only when repeating it changes nothing.
   */
  async askMaster(op: string, args: Json, gone: AbortSignal, repeatable: boolean): Promise<Answer> {
    const signal = AbortSignal.any([gone, this.life.signal]);
    while (!signal.aborted) {
      const reply = await this.peers.call(this.masterAddress, op, args, { signal });
      if (reply.kind !== "unreachable") return reply;
      if (reply.sent && !repeatable) break;
      await Promise.race([sleep(this.timings.forwardRetryMs), aborted(signal)]);
    }
    await aborted(signal);
    return { kind: "failure", error: ["INTERNAL_ERROR", "the caller went away"] };
  }

  async #route(call: Call, request: Request): Promise<{ answer: Answer; style: AnswerStyle }> {
    const emergency = EMERGENCY_CALLS.has(call.method);
    if (!emergency && this.phase.kind === "booting") {
      return { answer: { kind: "failure", error: ["HOST_STILL_BOOTING"] }, style: "gate" };
    }
    if (!emergency && this.phase.kind === "emergency") {
      return { answer: { kind: "failure", error: this.phase.error }, style: "gate" };
    }
    if (!this.isMaster && request.via === "unix" && !emergency && !WHITELIST.has(call.method)) {
      const args = { method: call.method, params: call.params };
      const answer = await this.askMaster("forward", args, request.gone, isRepeatable(call.method));
      return { answer, style: "forwarded" };
    }
    try {
      const value = await execute(this, call.method, call.params, { via: request.via, gone: request.gone });
      return { answer: { kind: "ok", value }, style: "normal" };
    } catch (error) {
      return { answer: toAnswer(error), style: "normal" };
    }
  }

  async #handle(request: Request): Promise<HttpReply> {
    if (request.path.startsWith("/internal/")) {
      const answer = await runInternal(this, request);
      return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(answer) };
    }
    const call = decodeCall(request.path, request.body);
    if ("status" in call) return call;
    const { answer, style } = await this.#route(call, request);
    return encodeAnswer(call, answer, style, this.options.gateEnvelope ?? "v1");
  }
}

const isRepeatable = (method: string): boolean => /\.(get_\w+|from|next)$/.test(method) || method.startsWith("system.");

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
