// What an administrator changes and keeps in the pool's database: parameters, flags of VMs, backup, import. A change is
// judged as a whole before anything is written, and what was written is read back.

import { writePoolConfig, writePoolKeys } from "../../act/pool/pool-config.ts";
import type { Done, PoolContext } from "../../act/pool/procedure.ts";
import { vmFacts } from "../../act/pool/vm-facts.ts";
import { setVmFlag } from "../../act/pool/vm-flags.ts";
import type { Config } from "../../config/config.ts";
import { haLizardKeys, importParameters } from "../../config/import/ha-lizard.ts";
import { findParameter, isReservedName, parametersOf } from "../../config/parameters.ts";
import { insertable, type Changes } from "../../config/pool-changes.ts";
import { POOL_KEY_PREFIX } from "../../config/pool-values.ts";
import { customField, isProtected } from "../../core/decide/vms/protection.ts";
import { valueOf, type Observation } from "../../core/model/observation.ts";
import type { Backup, VmFlags } from "../../drivers/control/answers.ts";
import type { ControlReply, ControlRequest } from "../../drivers/control/port.ts";
import type { PoolView, PoolVm } from "../../drivers/xapi/port.ts";
import type { Result } from "../../util/result.ts";
import type { Settings } from "../settings/settings.ts";
import { policyOf } from "../vms/vm-watch.ts";

export type PoolRequest = Extract<
  ControlRequest,
  { kind: "set" | "insert" | "remove" | "restore-default" | "backup" | "restore" | "import" | "vms" | "set-vm-ha" }
>;

export interface PoolRequestParts {
  readonly config: () => Config;
  readonly settings: Pick<Settings, "input" | "refusalsOf">;
  readonly view: () => Observation<PoolView>;
  readonly perform: <T>(work: (context: PoolContext) => Promise<Done<T>>) => Promise<Result<T, string>>;
  /** Passwords never go into other-config (V13). "" removes one. */
  readonly keepSecret: (name: string, text: string) => Promise<Result<"kept", string>>;
  readonly haIsOn: () => boolean;
  readonly wallMs: () => number;
}

const SECRETS = parametersOf("pool").filter((one) => one.secret);

export function createPoolRequests(parts: PoolRequestParts): (request: PoolRequest) => Promise<ControlReply> {
  async function write(changes: Changes, done: string): Promise<ControlReply> {
    const refusals = parts.settings.refusalsOf(changes);
    if (refusals.length > 0) return failed(refusals.join("\n"), LISTS);
    const written = await parts.perform((context) => writePoolConfig(context, changes));
    return written.ok ? { kind: "done", text: done } : failed(written.error, LOOK);
  }

  async function set(name: string, value: string): Promise<ControlReply> {
    const known = findParameter("pool", name);
    if (/\s/.test(value))
      return failed(
        `Cannot set ${name}: found white space in the value, expected none; use tandem.yaml for such a value`,
        LISTS,
      );
    if (known === undefined) return failed(parts.settings.refusalsOf({ [name]: value }).join("\n"), LISTS);
    if (!known.secret) return write({ [known.name]: value === "" ? null : value }, `${known.name}=${value}`);
    const refusals = parts.settings.refusalsOf({ [known.name]: value });
    if (refusals.length > 0) return failed(refusals.join("\n"), LISTS);
    const kept = await parts.keepSecret(known.name, value);
    if (!kept.ok) return failed(kept.error, LOOK);
    return { kind: "done", text: value === "" ? `${known.name} is removed` : `${known.name}=[set]` };
  }

  /** Our parameters in the database, by their name there; null: it cannot be read. */
  function present(): readonly string[] | null {
    const { pool } = parts.settings.input();
    if (pool === null) return null;
    const names = Object.keys(pool).flatMap((key) =>
      key.startsWith(POOL_KEY_PREFIX) ? [key.slice(POOL_KEY_PREFIX.length)] : [],
    );
    return names.filter((name) => /^[A-Z]/.test(name) && !isReservedName(name));
  }

  async function insert(overwrite: boolean): Promise<ControlReply> {
    const { pool } = parts.settings.input();
    if (pool === null) return UNREADABLE;
    const changes = byName(insertable(pool, overwrite));
    return write(changes, `${Object.keys(changes).length} parameters written to the pool`);
  }

  async function restoreDefault(): Promise<ControlReply> {
    const names = present();
    if (names === null) return UNREADABLE;
    const cleared = Object.fromEntries(names.map((name) => [name, null]));
    return write({ ...cleared, ...byName(insertable({}, true)) }, "every parameter of the pool has its default again");
  }

  async function remove(): Promise<ControlReply> {
    if (parts.haIsOn())
      return {
        kind: "refused",
        rule: "D1",
        reason: "HA is enabled, and it would lose its parameters",
        next: "ha-cfg disable",
      };
    const { pool } = parts.settings.input();
    if (pool === null) return UNREADABLE;
    for (const one of SECRETS) {
      const kept = await parts.keepSecret(one.name, "");
      if (!kept.ok) return failed(kept.error, LOOK);
    }
    const field = customField(parts.config().vm);
    const ours = Object.keys(pool).filter((key) => key.startsWith(POOL_KEY_PREFIX) || key === field);
    const written = await parts.perform((context) =>
      writePoolKeys(context, Object.fromEntries(ours.map((key) => [key, null]))),
    );
    if (!written.ok) return failed(written.error, LOOK);
    return { kind: "done", text: `${ours.length} keys removed from the pool database; the flags of VMs stay` };
  }

  function backup(): ControlReply {
    const { pool } = parts.settings.input();
    const view = valueOf(parts.view());
    if (pool === null || view === undefined) return UNREADABLE;
    const secret = new Set(SECRETS.map((one) => one.name));
    const parameters = (present() ?? [])
      .filter((name) => !secret.has(findParameter("pool", name)?.name ?? name))
      .map((name) => [name, pool[POOL_KEY_PREFIX + name] ?? ""]);
    const flags = flagsOf(view, parts.config()).vms.flatMap(({ uuid, flag }) => (flag === null ? [] : [[uuid, flag]]));
    const made: Backup = {
      format: "tandem-backup",
      version: 1,
      poolId: view.poolUuid,
      wallMs: parts.wallMs(),
      parameters: Object.fromEntries(parameters) as Record<string, string>,
      vms: Object.fromEntries(flags) as Record<string, boolean>,
    };
    return { kind: "backup", backup: made };
  }

  async function restore(request: PoolRequest & { kind: "restore" }): Promise<ControlReply> {
    const names = present();
    const view = valueOf(parts.view());
    if (names === null || view === undefined) return UNREADABLE;
    const cleared = Object.fromEntries(names.map((name) => [name, null]));
    const reply = await write({ ...cleared, ...request.parameters }, "");
    if (reply.kind !== "done") return reply;
    const gone: string[] = [];
    for (const [uuid, on] of Object.entries(request.vms)) {
      const vm = view.vms.find((one) => one.uuid === uuid);
      if (vm === undefined) gone.push(uuid);
      else {
        const written = await flagVm(vm, on);
        if (written !== null) return written;
      }
    }
    const missing = gone.length === 0 ? "" : `; not found: ${gone.join(", ")}`;
    const parameters = `${Object.keys(request.parameters).length} parameters`;
    const flags = `${Object.keys(request.vms).length - gone.length} flags of VMs`;
    return { kind: "done", text: `${parameters} and ${flags} are as in the backup${missing}` };
  }

  /** Null: written. */
  async function flagVm(vm: PoolVm, on: boolean): Promise<ControlReply | null> {
    const key = customField(parts.config().vm);
    const written = await parts.perform((context) => setVmFlag(context, vm, key, on));
    return written.ok ? null : failed(written.error, LOOK);
  }

  async function importOld(request: PoolRequest & { kind: "import" }): Promise<ControlReply> {
    const { pool } = parts.settings.input();
    if (pool === null) return UNREADABLE;
    const { changes, secrets, skipped } = importParameters({ ...haLizardKeys(pool), ...request.file });
    const lines = [
      ...Object.entries(changes).map(([name, value]) => `${name}=${value}`),
      ...Object.keys(secrets).map((name) => `${name}=[set]`),
      ...skipped.map(({ name, reason }) => `not taken over: ${name}: ${reason}`),
    ];
    if (Object.keys(changes).length + Object.keys(secrets).length === 0)
      return failed(
        ["Cannot import: found no parameter of HA-Lizard (keys HA_<NAME> of the pool, or the file)", ...lines].join(
          "\n",
        ),
        "ha-cfg insert writes the defaults",
      );
    if (!request.write) return { kind: "text", text: [...lines, "", "Nothing was written: add --write."].join("\n") };
    const reply = await write(changes, "");
    if (reply.kind !== "done") return reply;
    for (const [name, text] of Object.entries(secrets)) {
      const kept = await parts.keepSecret(name, text);
      if (!kept.ok) return failed(kept.error, LOOK);
    }
    return { kind: "done", text: [...lines, "", "Written to the pool."].join("\n") };
  }

  async function setVmHa(name: string, on: boolean): Promise<ControlReply> {
    const view = valueOf(parts.view());
    if (view === undefined) return UNREADABLE;
    const found = view.vms.filter((vm) => vm.name === name || vm.uuid === name);
    const [vm] = found;
    if (vm === undefined)
      return failed(`Cannot set the flag of "${name}": found no VM of that name, expected one`, "ha-cfg get-vm-ha");
    if (found.length > 1) {
      const uuids = found.map((one) => one.uuid).join(", ");
      return failed(
        `Cannot set the flag of "${name}": found ${found.length} VMs of that name (${uuids}), expected one`,
        "give the UUID instead of the name",
      );
    }
    const refused = await flagVm(vm, on);
    if (refused !== null) return refused;
    const { vm: policy } = parts.config();
    const asked = policy.opMode === 2 && !policy.globalVmHa;
    const because =
      policy.opMode === 1
        ? "OP_MODE is 1: appliances are protected, whatever the flags say"
        : "GLOBAL_VM_HA is 1: every VM is protected, whatever the flags say";
    return { kind: "done", text: `${vm.name} (${vm.uuid}): HA flag is ${on}${asked ? "" : `. ${because}`}` };
  }

  return async function answer(request) {
    switch (request.kind) {
      case "set":
        return set(request.name, request.value);
      case "insert":
        return insert(request.overwrite);
      case "remove":
        return remove();
      case "restore-default":
        return restoreDefault();
      case "backup":
        return backup();
      case "restore":
        return restore(request);
      case "import":
        return importOld(request);
      case "vms": {
        const view = valueOf(parts.view());
        return view === undefined ? UNREADABLE : { kind: "vms", flags: flagsOf(view, parts.config()) };
      }
      case "set-vm-ha":
        return setVmHa(request.vm, request.on);
    }
  };
}

function flagsOf(view: PoolView, config: Config): VmFlags {
  const policy = policyOf(config);
  const key = customField(policy);
  const flagOf = (text: string | undefined): boolean | null => {
    const word = text?.trim().toLowerCase();
    return word === "true" ? true : word === "false" ? false : null;
  };
  const facts = vmFacts(view.hosts, view.appliances);
  return {
    opMode: policy.opMode,
    globalVmHa: policy.globalVmHa,
    masterOnly: policy.masterOnly,
    vms: view.vms
      .map((vm) => ({
        uuid: vm.uuid,
        name: vm.name,
        flag: flagOf(vm.otherConfig[key]),
        isProtected: isProtected(facts(vm), policy),
      }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

const byName = (keys: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(keys).map(([key, value]) => [key.slice(POOL_KEY_PREFIX.length), value]));

const LISTS = "'ha-cfg get' lists names and values";
const LOOK = "see 'ha-cfg status'";
const failed = (reason: string, next: string): ControlReply => ({ kind: "failed", reason, next });
const UNREADABLE: ControlReply = failed("the pool database is not readable just now", LOOK);
