/**
 * The port to a host's hypervisor (what Xen and xenopsd are to xapi), and an in-memory one for unit tests.
 * Domains live longer than the xapi that started them. Must never touch the database.
 */

export type DomainState = "running" | "paused";

export interface Domain {
  readonly vmUuid: string;
  readonly domid: number;
  readonly state: DomainState;
}

export interface DomainSpec {
  readonly vmUuid: string;
  readonly name: string;
  /** Arguments for the VM's program. */
  readonly args: readonly string[];
  readonly memoryBytes: number;
  readonly vcpus: number;
}

export interface Hypervisor {
  /** Builds and starts a domain; `image` is a state taken by `save`. Resolves to the domain id. */
  start(spec: DomainSpec, options: { readonly paused: boolean; readonly image?: string }): Promise<number>;
  /** Ends a domain at once. Absent is success. */
  destroy(vmUuid: string): Promise<void>;
  /** Asks the guest to end by itself; resolves to whether it did within the time. */
  shutdown(vmUuid: string, timeoutMs: number): Promise<boolean>;
  pause(vmUuid: string): Promise<void>;
  unpause(vmUuid: string): Promise<void>;
  /** Stops the domain and takes its state away as text (base64). Throws when the guest does not give it. */
  save(vmUuid: string): Promise<string>;
  list(): Promise<readonly Domain[]>;
  /** Called when any domain may have changed; returns the way to stop listening. */
  watch(listener: () => void): () => void;
}

export interface MemoryHypervisor extends Hypervisor {
  /** The guest ends by itself, as after `poweroff` inside. */
  exitByItself(vmUuid: string): void;
  /** The whole host loses power: every domain is gone and nobody is told. */
  losePower(): void;
}

/** Domains as table entries: for tests in one process. */
export const createMemoryHypervisor = (): MemoryHypervisor => {
  const domains = new Map<string, Domain>();
  const listeners = new Set<() => void>();
  let nextDomid = 1;
  const changed = (): void => {
    for (const listener of listeners) listener();
  };
  const put = (vmUuid: string, state: DomainState): void => {
    const domain = domains.get(vmUuid);
    if (!domain) throw new Error(`Cannot find domain of VM ${vmUuid}: it is not on this host`);
    domains.set(vmUuid, { ...domain, state });
    changed();
  };
  const remove = (vmUuid: string): void => {
    if (domains.delete(vmUuid)) changed();
  };
  return {
    start: async (spec, { paused }) => {
      if (domains.has(spec.vmUuid)) throw new Error(`Cannot start domain of VM ${spec.vmUuid}: it already runs here`);
      const domid = nextDomid++;
      domains.set(spec.vmUuid, { vmUuid: spec.vmUuid, domid, state: paused ? "paused" : "running" });
      changed();
      return domid;
    },
    destroy: async (vmUuid) => remove(vmUuid),
    shutdown: async (vmUuid) => {
      remove(vmUuid);
      return true;
    },
    pause: async (vmUuid) => put(vmUuid, "paused"),
    unpause: async (vmUuid) => put(vmUuid, "running"),
    save: async (vmUuid) => {
      remove(vmUuid);
      return Buffer.from(vmUuid).toString("base64");
    },
    list: async () => [...domains.values()],
    watch: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    exitByItself: remove,
    losePower: () => domains.clear(),
  };
};
