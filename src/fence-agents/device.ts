// What every fence device can do for us, and how it says no. One implementation per kind of device.

import type { Result } from "../util/result.ts";

export type PowerState = "on" | "off";

export interface Device {
  /** Power as the device reports it now. Anything but a clear on or off is an error in words, never a guess. */
  state(): Promise<Result<PowerState, string>>;
  /** Cuts the power at once, without asking the host's system; ok: the device accepted it. Says nothing about success. */
  off(): Promise<Result<null, string>>;
  /** Switches on; ok: the device accepted it. */
  on(): Promise<Result<null, string>>;
  /** Would `off` be allowed? Never changes anything. The error says what a fencing would run into. */
  mayOff(): Promise<Result<null, string>>;
  /** Gives sessions back. Never fails. */
  close(): Promise<void>;
}

/** Where the device of one host is, from `<METHOD>.hosts`, FENCE_IPADDRESS and FENCE_PASSWD. */
export interface Target {
  /** What stands after the UUID: an address, for XVM the UUID of a VM. */
  readonly device: string;
  /** FENCE_IPADDRESS; empty when not set. */
  readonly address: string;
  readonly password: string;
  readonly options: Options;
}

/** `key=value` after the device; which keys there are depends on the method. */
export type Options = ReadonlyMap<string, string>;
