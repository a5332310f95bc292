// The configuration as the rest of the daemon reads it: checked, merged, frozen. Made only by effective.ts.

import type { CoreConfig } from "../core/model/config.ts";
import type { PoolConfig } from "../core/pool/model.ts";
import type { Millis } from "../core/model/time.ts";
import type { TargetSpec } from "../drivers/iscsi-target/port.ts";
import type { VipSpec } from "../drivers/vip/port.ts";
import type { Problem } from "./problem.ts";
import type { Secret } from "./secret.ts";
import type { HostPort } from "./value.ts";
import type { TimerProfile } from "./timers.ts";

export interface HostEntry {
  readonly uuid: string;
  readonly name: string;
  /** Addresses on the two networks. */
  readonly management: string;
  readonly replication: string;
  /** A member of the pool that holds no copy of the storage. */
  readonly diskless?: boolean | undefined;
}

/** D16: wherever this host may log in from; TARGET_INITIATORS may name more than its storage address. */
export const initiatorsOf = ({ management, replication }: HostEntry): readonly string[] => [management, replication];

/** One periodic pass; events wake it at once. */
export interface PassConfig {
  readonly delayMs: Millis;
  readonly scanRateMs: Millis;
  readonly maxStarts: number;
  readonly killAll: boolean;
}

export interface StorageConfig {
  readonly resources: readonly string[];
  /** Unit name or path of an init script. */
  readonly targetService: string;
  readonly targetBackend: "tgtd" | "lio";
  readonly target: TargetSpec;
  /** Always a /32 (or /128): a second address of the whole network would become a source of outgoing connections. */
  readonly vip: VipSpec;
  /** From DRBD_VIRTUAL_MASK: the network the address is said to lie in; null when nothing was said. */
  readonly vipNetworkPrefix: number | null;
  readonly logging: boolean;
}

export interface VmConfig {
  /** MASTER_ONLY: another manager owns the VMs. */
  readonly masterOnly: boolean;
  readonly opMode: 1 | 2;
  readonly globalVmHa: boolean;
  /** The custom field is `XenCenter.CustomFields.<fieldName>`. */
  readonly fieldName: string;
  readonly disabledVapps: readonly string[];
  readonly checkOnEveryHost: boolean;
  readonly anyHostByXapi: boolean;
  readonly customFieldMayDisable: boolean;
  readonly leavePolicy: "migrate" | "shutdown";
  readonly isolatedVmPolicy: "restart" | "wait";
}

export interface FenceConfig {
  readonly enabled: boolean;
  readonly method: string;
  readonly action: "start" | "stop" | "reset";
  readonly folder: string;
  readonly ipAddress: string;
  readonly password: Secret | null;
  readonly onFail: boolean;
  readonly timeoutMs: Millis;
}

export interface MailConfig {
  readonly on: boolean;
  readonly from: string;
  readonly to: readonly string[];
  /** With $HOSTNAME not yet expanded. */
  readonly subject: string;
}

export interface AlertConfig {
  readonly xapiMessages: boolean;
  readonly diskMonitor: boolean;
  readonly mail: MailConfig;
  /** The storage part's own addresses with MAIL_USE_SHARED_PARAMS=0, else the same as `mail`. */
  readonly storageMail: MailConfig;
  readonly smtp: {
    readonly server: string;
    readonly port: number;
    readonly user: string;
    readonly password: Secret | null;
  };
  readonly screenTimeMs: Millis;
}

export interface AreaConfig {
  readonly log: boolean;
  readonly mail: boolean;
  /** 0 none, 1 highest, 5 lowest. */
  readonly priority: number;
}

export type Source = "default" | "profile" | "pool" | "last-good" | "secret" | "override" | "file";

/** One line of `ha-cfg get`. */
export interface EffectiveParameter {
  readonly name: string;
  readonly scope: "pool" | "storage";
  readonly group: string;
  /** Canonical text; `[set]` for a secret that is set. */
  readonly value: string;
  readonly source: Source;
  readonly isDefault: boolean;
  readonly perHost: boolean;
  readonly summary: string;
  /** The default as text; of a timer the value of its profile. */
  readonly initial: string;
  /** What a value must look like. */
  readonly expected: string;
}

export interface Config {
  /** What the decision function sees; `core.cfgHash` is I-f. */
  readonly core: CoreConfig;
  readonly poolId: string;
  readonly hosts: readonly HostEntry[];
  readonly self: HostEntry;
  /** The other host of the storage pair; on a host outside the pair its first one, without a pair the first other host. */
  readonly peer: HostEntry;
  /** What the pool's decision function sees; null in a pool of two hosts, where there is nobody but the pair. */
  readonly pool: PoolConfig | null;
  /** Device of the management network from the inventory; null when it is not written there. */
  readonly managementInterface: string | null;
  /** Null: a pool without storage of ours (the pool part alone). */
  readonly storage: StorageConfig | null;
  readonly timerProfile: TimerProfile;
  readonly peerPort: number;
  /** Null: no watchdog, HA cannot be enabled. */
  readonly watchdogDevice: string | null;
  readonly pass: PassConfig;
  readonly xapi: { readonly timeoutMs: Millis; readonly count: number; readonly delayMs: Millis };
  readonly vm: VmConfig;
  readonly fence: FenceConfig;
  readonly witnesses: readonly HostPort[];
  /** Of no use unless there are witnesses. */
  readonly witnessKeyFile: string;
  readonly alerts: AlertConfig;
  readonly logging: boolean;
  readonly areas: Readonly<Record<string, AreaConfig>>;
  /** The sentence for status, log and dashboard; says that VOTE is not fencing. */
  readonly policyNote: string;
  readonly parameters: readonly EffectiveParameter[];
  /** Changes with the passwords, which JSON shows as [set]; says nothing about them and differs in every process. */
  readonly secretsMark: string;
  /** Everything that was not taken as written; errors among them keep HA from being enabled. */
  readonly problems: readonly Problem[];
}
