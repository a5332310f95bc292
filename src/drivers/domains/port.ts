// This host's domains as the hypervisor knows them, without asking xapi (which hangs when its master is dead).

import type { Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";

export interface Domain {
  readonly uuid: string;
  readonly domId: number;
  readonly name: string;
  readonly paused: boolean;
}

export interface DomainsPort {
  /** Never lists domain 0. */
  list(): Promise<Result<readonly Domain[], DriverError>>;
  pause(domId: number): Promise<Result<"changed" | "already", DriverError>>;
  unpause(domId: number): Promise<Result<"changed" | "already", DriverError>>;
  destroy(domId: number): Promise<Result<"changed" | "already", DriverError>>;
}
