/** What one simulated xapi is told at start, and how fast its clocks run. Data only. */
import type { Hypervisor } from "./hypervisor.ts";
import type { GateEnvelope } from "./rpc.ts";
import type { Seed } from "./seed.ts";
import type { Storage } from "./storage.ts";

/** Every wait of xapi. The defaults are those recorded on a real pool. */
export interface Timings {
  /** From a change of role to the exit of xapi. */
  readonly fuseMs: number;
  /** From the exit to the start of the next xapi. */
  readonly restartMs: number;
  /** How long a fresh xapi answers HOST_STILL_BOOTING. */
  readonly bootMs: number;
  /** From ready to the host enabling itself, and from that to the init-complete cookie. */
  readonly enableMs: number;
  readonly initCompleteMs: number;
  readonly tickleMs: number;
  readonly assumedDeadMs: number;
  readonly gcPassMs: number;
  readonly dbPushMs: number;
  /** Longest time a change stays in memory only. */
  readonly dbFlushMs: number;
  readonly forwardRetryMs: number;
  readonly helloRetryMs: number;
  readonly helloRefusedRetryMs: number;
  /** A forwarded call to a host that is thought alive gives up after this. */
  readonly contactMs: number;
  /** A liveness probe of declare_dead and recover_slaves. */
  readonly probeMs: number;
  readonly authFailMs: number;
  readonly eventBatchMs: number;
  readonly shutdownMs: number;
}

export const RECORDED_TIMINGS: Timings = {
  fuseMs: 10_000,
  restartMs: 300,
  bootMs: 200,
  enableMs: 3000,
  initCompleteMs: 500,
  tickleMs: 30_000,
  assumedDeadMs: 600_000,
  gcPassMs: 30_000,
  dbPushMs: 300_000,
  dbFlushMs: 500,
  forwardRetryMs: 10_000,
  helloRetryMs: 5000,
  helloRefusedRetryMs: 60_000,
  contactMs: 124_000,
  probeMs: 3000,
  authFailMs: 2000,
  eventBatchMs: 50,
  shutdownMs: 60_000,
};

export interface XapiPaths {
  readonly poolConf: string;
  readonly stateDb: string;
  readonly poolSecret: string;
  readonly certificate: string;
  readonly startupCookie: string;
  readonly initCompleteCookie: string;
  /** Folder with host-pre-declare-dead/ and host-post-declare-dead/. */
  readonly hooks: string;
}

export interface XapiOptions {
  readonly hostUuid: string;
  readonly address: string;
  /** Address the TCP sockets listen on; the management address when left out. */
  readonly listenAddress?: string;
  readonly unixPath?: string;
  readonly httpPort?: number;
  readonly httpsPort?: number;
  /** Port on which the other host's xapi speaks https; the own https port when left out. */
  readonly peerPort?: number;
  readonly paths: XapiPaths;
  readonly rootPassword: string;
  readonly seed?: Seed;
  readonly hypervisor: Hypervisor;
  readonly storage: Storage;
  readonly timings?: Partial<Timings>;
  readonly gateEnvelope?: GateEnvelope;
  /** Whether the network lets this xapi reach that address now; left out, it always does. For tests of a cut link. */
  readonly canReach?: (address: string) => boolean;
  readonly log?: (line: string) => void;
  /** Turns the machine off or restarts it, for host.shutdown and host.reboot. */
  readonly power?: (kind: "shutdown" | "reboot") => void;
}

/** The files of a dom0. */
export const DOM0_PATHS: XapiPaths = {
  poolConf: "/etc/xensource/pool.conf",
  stateDb: "/var/lib/xcp/state.db",
  poolSecret: "/etc/xensource/ptoken",
  certificate: "/etc/xensource/xapi-ssl.pem",
  startupCookie: "/var/run/xapi_startup.cookie",
  initCompleteCookie: "/var/run/xapi_init_complete.cookie",
  hooks: "/etc/xapi.d",
};
