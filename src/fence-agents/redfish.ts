// Redfish (DMTF DSP0266): PowerState of the one ComputerSystem, and its action ComputerSystem.Reset with ForceOff and On.
// iLO 4 and later, iDRAC 7 and later, iRMC S4 and later, XCC, OpenBMC, Supermicro.

import * as z from "zod";
import { err, ok, type Result } from "../util/result.ts";
import type { Deadline } from "./deadline.ts";
import type { Device, PowerState, Target } from "./device.ts";
import { portOf, unknownOption } from "./hosts-file.ts";
import { openHttps, type HttpAnswer, type PinnedHttps, type SendOptions } from "./https.ts";
import { parsePins } from "./pin.ts";

export const REDFISH_OPTIONS = ["user", "pin", "port", "auth", "system"] as const;

const link = z.object({ "@odata.id": z.string().startsWith("/redfish/") });
const collection = z.object({ Members: z.array(link) });
const resetAction = z.object({
  target: z.string().startsWith("/redfish/"),
  "ResetType@Redfish.AllowableValues": z.array(z.string()).optional(),
});
const system = z.object({
  PowerState: z.string().nullable().optional(),
  Actions: z.object({ "#ComputerSystem.Reset": resetAction.optional() }).optional(),
});
type System = z.infer<typeof system>;

const SYSTEMS = "/redfish/v1/Systems";
const SESSIONS = "/redfish/v1/SessionService/Sessions";

export function openRedfish(target: Target, deadline: Deadline): Result<Device, string> {
  const { options, password } = target;
  const odd = unknownOption(options, REDFISH_OPTIONS);
  if (odd !== null) return err(odd);
  const user = options.get("user");
  if (user === undefined) return err("the line has no user=");
  if (password === "") return err("FENCE_PASSWD is not set");
  const auth = options.get("auth") ?? "basic";
  if (auth !== "basic" && auth !== "session") return err(`found auth=${auth}, expected basic or session`);
  const port = portOf(options, 443);
  if (!port.ok) return port;
  const pins = parsePins(options.get("pin"));
  if (!pins.ok) return pins;
  const https = openHttps({ host: target.device, port: port.value, pins: pins.value }, deadline);
  return ok(redfishDevice(https, { user, password, auth, system: options.get("system") ?? null }));
}

interface Login {
  readonly user: string;
  readonly password: string;
  readonly auth: "basic" | "session";
  /** Id of the system where a device has several. */
  readonly system: string | null;
}

function redfishDevice(https: PinnedHttps, login: Login): Device {
  let headers: Record<string, string> | null = null;
  let session: string | null = null;
  let path: string | null = null;

  async function authorize(): Promise<Result<Record<string, string>, string>> {
    if (headers !== null) return ok(headers);
    if (login.auth === "basic") {
      const basic = Buffer.from(`${login.user}:${login.password}`, "utf8").toString("base64");
      headers = { Authorization: `Basic ${basic}` };
      return ok(headers);
    }
    const body = { UserName: login.user, Password: login.password };
    const made = await https.send("POST", SESSIONS, { body });
    if (!made.ok) return made;
    const token = made.value.headers["x-auth-token"];
    if (made.value.status >= 300 || typeof token !== "string") return err(refusal(made.value, "the login"));
    const location = made.value.headers["location"];
    session = typeof location === "string" ? new URL(location, "https://device").pathname : null;
    headers = { "X-Auth-Token": token };
    return ok(headers);
  }

  async function ask(
    method: "GET" | "POST",
    at: string,
    what: string,
    options: SendOptions = {},
  ): Promise<Result<unknown, string>> {
    const authorized = await authorize();
    if (!authorized.ok) return authorized;
    const answer = await https.send(method, at, { ...options, headers: authorized.value });
    if (!answer.ok) return answer;
    return answer.value.status >= 200 && answer.value.status < 300
      ? ok(answer.value.body)
      : err(refusal(answer.value, what));
  }

  async function locate(): Promise<Result<string, string>> {
    if (path !== null) return ok(path);
    const found = await ask("GET", SYSTEMS, "the list of systems");
    if (!found.ok) return found;
    const parsed = collection.safeParse(found.value);
    if (!parsed.success) return err("the list of systems cannot be read");
    const ids = parsed.data.Members.map((member) => member["@odata.id"].replace(/\/$/, ""));
    const fitting = login.system === null ? ids : ids.filter((id) => id.split("/").at(-1) === login.system);
    const [only] = fitting;
    if (only === undefined || fitting.length > 1) {
      const names = ids.map((id) => id.split("/").at(-1) ?? id).join(", ");
      return err(`the device has the systems ${names === "" ? "(none)" : names}; name one with system=`);
    }
    path = only;
    return ok(only);
  }

  async function look(): Promise<Result<System, string>> {
    const at = await locate();
    if (!at.ok) return at;
    const found = await ask("GET", at.value, "the system");
    if (!found.ok) return found;
    const parsed = system.safeParse(found.value);
    return parsed.success ? ok(parsed.data) : err("the description of the system cannot be read");
  }

  /** What the device does not list it may still do, so a missing list refuses nothing. */
  async function action(wanted: readonly string[]): Promise<Result<{ target: string; type: string }, string>> {
    const seen = await look();
    if (!seen.ok) return seen;
    const reset = seen.value.Actions?.["#ComputerSystem.Reset"];
    if (reset === undefined) return err("the device offers no ComputerSystem.Reset to this account");
    const allowed = reset["ResetType@Redfish.AllowableValues"];
    const type = wanted.find((one) => allowed === undefined || allowed.includes(one));
    return type === undefined
      ? err(`the device offers the resets ${allowed?.join(", ") ?? "none"}, expected ${wanted.join(" or ")}`)
      : ok({ target: reset.target, type });
  }

  async function reset(wanted: readonly string[]): Promise<Result<null, string>> {
    const chosen = await action(wanted);
    if (!chosen.ok) return chosen;
    const { target, type } = chosen.value;
    const done = await ask("POST", target, `the reset ${type}`, { body: { ResetType: type } });
    return done.ok ? ok(null) : done;
  }

  return {
    async state() {
      const seen = await look();
      return seen.ok ? readRedfishPower(seen.value.PowerState ?? null) : seen;
    },
    off: () => reset(["ForceOff"]),
    on: () => reset(["On", "ForceOn"]),
    async mayOff() {
      const chosen = await action(["ForceOff"]);
      return chosen.ok ? ok(null) : chosen;
    },
    async close() {
      // A BMC has a handful of sessions, and one that is not given back lives for half an hour.
      if (session !== null && headers !== null) await https.send("DELETE", session, { headers });
      https.close();
    },
  };
}

/** PoweringOff is not off: the power may stay for as long as it likes. */
export function readRedfishPower(word: string | null): Result<PowerState, string> {
  switch (word) {
    case "Off":
      return ok("off");
    case "On":
    case "PoweringOn":
    case "PoweringOff":
    case "Paused":
      return ok("on");
    default:
      return err(`the device reports the power state ${JSON.stringify(word)}, expected On or Off`);
  }
}

const errorBody = z.object({ error: z.object({ message: z.string().optional() }) });

function refusal({ status, body }: HttpAnswer, what: string): string {
  const said = errorBody.safeParse(body);
  const detail =
    said.success && said.data.error.message !== undefined ? `: ${said.data.error.message.slice(0, 120)}` : "";
  if (status === 401) return `the device refused user or password${detail}`;
  if (status === 403) return `the account may not use ${what}${detail}`;
  return `the device answered ${status} to ${what}${detail}`;
}
