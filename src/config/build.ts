// Checked values to Config: pure wiring of names to fields, and cfgHash. Decides nothing about validity.

import { isIP } from "node:net";
import type { CoreConfig, Timers } from "../core/model/config.ts";
import { InvariantError } from "../util/assert.ts";
import { ALL_AREAS } from "./areas.ts";
import {
  initiatorsOf,
  type AlertConfig,
  type AreaConfig,
  type Config,
  type EffectiveParameter,
  type FenceConfig,
  type MailConfig,
  type PassConfig,
  type StorageConfig,
  type VmConfig,
} from "./config.ts";
import { hashOf, markOf } from "./hash.ts";
import type { LocalFile, LocalStorage } from "./local-file.ts";
import type { Reader } from "./reader.ts";
import { poolConfig } from "./pool-core.ts";
import { prefixOf } from "./network.ts";
import { derivePolicy, policyNote } from "./policy.ts";
import type { Problem } from "./problem.ts";
import { Secret } from "./secret.ts";
import type { TimerProfile } from "./timers.ts";
import { parseHostPort, type HostPort } from "./value.ts";

/** Typed access to checked values by parameter name. */
export interface Parts {
  readonly local: LocalFile;
  readonly pool: Reader;
  readonly storage: Reader;
  readonly timers: Timers;
  readonly keyId: string;
  readonly parameters: readonly EffectiveParameter[];
  readonly problems: readonly Problem[];
}

const TARGET_ID = 1;

function pass(read: Reader): PassConfig {
  return {
    delayMs: read.number("MONITOR_DELAY"),
    scanRateMs: read.number("MONITOR_SCANRATE"),
    maxStarts: read.number("MONITOR_MAX_STARTS"),
    killAll: read.flag("MONITOR_KILLALL"),
  };
}

/** Initiators beside this host's own, by the addresses they come from; none in a pool of two hosts. */
function othersOf({ hosts, peer }: LocalFile): readonly string[] {
  const members = hosts.filter((host) => host.diskless === true);
  if (members.length === 0) return [];
  return [peer.replication, ...members.flatMap(initiatorsOf)];
}

function storageConfig(read: Reader, storage: LocalStorage, local: LocalFile): StorageConfig {
  const address = read.text("DRBD_VIRTUAL_IP");
  return {
    resources: read.list("DRBD_RESOURCES"),
    targetService: read.text("ISCSI_TARGET_SERVICE"),
    targetBackend: read.text("TARGET_BACKEND") === "lio" ? "lio" : "tgtd",
    target: {
      iqn: read.text("TARGET_IQN"),
      tid: TARGET_ID,
      luns: storage.luns,
      allow: read.list("TARGET_INITIATORS"),
      others: othersOf(local),
      portal: { address, port: read.number("TARGET_PORT") },
    },
    vip: { address, prefix: isIP(address) === 6 ? 128 : 32, device: read.text("DRBD_INTERFACE") },
    vipNetworkPrefix: prefixOf(read.text("DRBD_VIRTUAL_MASK"), address) ?? null,
    logging: read.flag("ENABLE_LOGGING"),
  };
}

function vmConfig(read: Reader): VmConfig {
  return {
    masterOnly: read.flag("MASTER_ONLY"),
    opMode: read.number("OP_MODE") === 1 ? 1 : 2,
    globalVmHa: read.flag("GLOBAL_VM_HA"),
    fieldName: read.text("XC_FIELD_NAME"),
    disabledVapps: read.list("DISABLED_VAPPS"),
    checkOnEveryHost: read.flag("SLAVE_VM_STAT"),
    anyHostByXapi: read.number("HOST_SELECT_METHOD") === 1,
    customFieldMayDisable: read.flag("CUSTOM_FIELD_SWITCH"),
    leavePolicy: read.text("LEAVE_POLICY") === "shutdown" ? "shutdown" : "migrate",
    isolatedVmPolicy: read.text("ISOLATED_VM_POLICY") === "wait" ? "wait" : "restart",
  };
}

const secret = (text: string): Secret | null => (text === "" ? null : new Secret(text));

function fenceAction(text: string): FenceConfig["action"] {
  if (text === "start" || text === "stop" || text === "reset") return text;
  throw new InvariantError(`FENCE_ACTION is ${text}`);
}

function fenceConfig(read: Reader, timers: Timers): FenceConfig {
  return {
    enabled: read.flag("FENCE_ENABLED"),
    method: read.text("FENCE_METHOD"),
    action: fenceAction(read.text("FENCE_ACTION")),
    folder: read.text("FENCE_FILE_LOC"),
    ipAddress: read.text("FENCE_IPADDRESS"),
    password: secret(read.text("FENCE_PASSWD")),
    onFail: read.flag("FENCE_HA_ONFAIL"),
    timeoutMs: timers.fence,
  };
}

const mail = (read: Reader): MailConfig => ({
  on: read.flag("MAIL_ON"),
  from: read.text("MAIL_FROM"),
  to: read.text("MAIL_TO").split(","),
  subject: read.text("MAIL_SUBJECT"),
});

function alertConfig(pool: Reader, storage: Reader): AlertConfig {
  return {
    xapiMessages: pool.flag("ENABLE_ALERTS"),
    diskMonitor: pool.flag("DISK_MONITOR"),
    mail: mail(pool),
    storageMail: mail(storage.flag("MAIL_USE_SHARED_PARAMS") ? pool : storage),
    smtp: {
      server: pool.text("SMTP_SERVER"),
      port: pool.number("SMTP_PORT"),
      user: pool.text("SMTP_USER"),
      password: secret(pool.text("SMTP_PASS")),
    },
    screenTimeMs: pool.number("MAIL_SCREEN_TIME"),
  };
}

const areas = (read: Reader): Record<string, AreaConfig> =>
  Object.fromEntries(
    ALL_AREAS.map((area) => [
      area,
      { log: read.flag(`LOG_${area}`), mail: read.flag(`MAIL_${area}`), priority: read.number(`PRIORITY_${area}`) },
    ]),
  );

function witnesses(read: Reader): readonly HostPort[] {
  return read.list("WITNESS").flatMap((text) => parseHostPort(text) ?? []);
}

/**
 * A24: equal on all hosts, or no automatic takeover. Beside timers, policy, heuristics and key also who the hosts are
 * and what is exported: a survivor with another IQN or scsi_id would serve storage that no SR can attach.
 */
function hashOfConfig(
  parts: Parts,
  core: Omit<CoreConfig, "cfgHash">,
  vm: VmConfig,
  storage: StorageConfig | null,
): string {
  const { local, pool, keyId } = parts;
  return hashOf({
    format: 1,
    keyId,
    pool: local.poolId,
    hosts: local.hosts
      .map((host) => [host.uuid, host.management, host.replication, ...(host.diskless === true ? ["diskless"] : [])])
      .toSorted((left, right) => ((left[0] ?? "") < (right[0] ?? "") ? -1 : 1)),
    timers: { ...core.timers },
    policy: core.policy,
    witnesses: pool.list("WITNESS").toSorted(),
    heuristics: core.heuristics.toSorted(),
    fenceMethod: pool.text("FENCE_METHOD"),
    fenceEnabled: core.fenceEnabled,
    quorumRequired: core.quorumRequired,
    minHosts: core.minHosts,
    rebootLoneHost: core.rebootLoneHost,
    xapi: [pool.number("XAPI_COUNT"), pool.number("XAPI_DELAY")],
    vm: [vm.leavePolicy, vm.isolatedVmPolicy],
    resources: core.resources.toSorted(),
    storage:
      storage === null
        ? null
        : {
            // Initiators would see another disk after a switch.
            ...(storage.targetBackend === "tgtd" ? {} : { backend: storage.targetBackend }),
            iqn: storage.target.iqn,
            vip: storage.vip.address,
            port: storage.target.portal.port,
            luns: storage.target.luns
              .map((one) => [one.resource, one.device, one.lun, one.scsiId, one.scsiSn])
              .toSorted((left, right) => Number(left[2]) - Number(right[2])),
          },
  });
}

export function buildConfig(parts: Parts): Config {
  const { local, pool, storage: read, timers } = parts;
  const storage = local.storage === null ? null : storageConfig(read, local.storage, local);
  const vm = vmConfig(pool);
  const found = witnesses(pool);
  const policy = derivePolicy({
    witnesses: found.length,
    fenceMethod: pool.text("FENCE_METHOD"),
    fenceOnFail: pool.flag("FENCE_HA_ONFAIL"),
  });
  const device = read.text("WATCHDOG_DEVICE");
  const watchdogDevice = device === "" || device === "()" ? null : device;
  const core: Omit<CoreConfig, "cfgHash"> = {
    poolId: local.poolId,
    hostId: local.self.uuid,
    peerId: local.peer.uuid,
    policy,
    timers,
    resources: storage?.resources ?? [],
    heuristics: pool.flag("FENCE_USE_IP_HEURISTICS") ? pool.list("FENCE_HEURISTICS_IPS") : [],
    witnesses: pool.list("WITNESS"),
    fenceEnabled: pool.flag("FENCE_ENABLED"),
    // protocol.md 13: FENCE_QUORUM_REQUIRED=0 is honoured only with STRICT.
    quorumRequired: policy !== "strict" || pool.flag("FENCE_QUORUM_REQUIRED"),
    minHosts: pool.number("FENCE_MIN_HOSTS"),
    hosts: local.hosts.length,
    mayTakeOver: pool.flag("PROMOTE_SLAVE"),
    mayRestart: pool.flag("SLAVE_HA"),
    rebootLoneHost: pool.flag("FENCE_REBOOT_LONE_HOST"),
    isolatedVms: vm.isolatedVmPolicy,
    watchdogUsed: watchdogDevice !== null,
    removedRules: [],
  };
  const cfgHash = hashOfConfig(parts, core, vm, storage);
  const larger = poolConfig(local, { ...core, cfgHash });
  return {
    core: { ...core, cfgHash },
    pool: larger,
    poolId: local.poolId,
    hosts: local.hosts,
    self: local.self,
    peer: local.peer,
    managementInterface: local.managementInterface,
    storage,
    // The choice type allows nothing else.
    timerProfile: pool.text("TIMER_PROFILE") as TimerProfile,
    peerPort: read.number("PEER_PORT"),
    watchdogDevice,
    pass: pass(pool),
    xapi: {
      timeoutMs: pool.number("XE_TIMEOUT"),
      count: pool.number("XAPI_COUNT"),
      delayMs: pool.number("XAPI_DELAY"),
    },
    vm,
    fence: fenceConfig(pool, timers),
    witnesses: found,
    witnessKeyFile: read.text("WITNESS_KEY_FILE"),
    alerts: alertConfig(pool, read),
    logging: pool.flag("ENABLE_LOGGING"),
    areas: areas(pool),
    policyNote: policyNote(policy, core.fenceEnabled, larger?.storageHosts.length === 0),
    parameters: parts.parameters,
    secretsMark: markOf([pool.text("FENCE_PASSWD"), pool.text("SMTP_PASS")]),
    problems: parts.problems,
  };
}
