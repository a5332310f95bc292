// The envelope of a XAPI host plugin: xapi starts /etc/xapi.d/plugins/tandem with one argument, an XML-RPC call, and reads an
// XML-RPC answer from its output. What changes anything comes from the pool's database, which nobody but the pool's administrators
// can write; from the call come its name and the disks that a person named. Pure.

export const PLUGIN = "tandem";

/** What one host asks of the other. */
export const PLUGIN_FUNCTIONS = ["identify", "plan", "apply", "serve", "check", "undo", "keep", "disk"] as const;
export type PluginFunction = (typeof PLUGIN_FUNCTIONS)[number];

export interface PluginCall {
  readonly fn: PluginFunction;
  /** HOST:DISK names that a person typed. */
  readonly erase: readonly string[];
  /** For a plan before anything is decided: the answers, as JSON. Null: those in the pool's database. */
  readonly answers: string | null;
  /** Of "disk" alone: the HOST:DISK that a person named for a broken one of the host that asks. */
  readonly disk?: string;
}

const NAMED_DISK = /^[A-Za-z0-9_.-]+:\/dev\/[A-Za-z0-9_.:/+-]+$/;

/** Null: no call that is known here. */
export function parsePluginCall(xml: string): PluginCall | null {
  const name = /<methodName>\s*([a-z]+)\s*<\/methodName>/.exec(xml)?.[1];
  const fn = PLUGIN_FUNCTIONS.find((one) => one === name);
  if (fn === undefined) return null;
  const erase = argument(xml, "erase")
    .split(" ")
    .filter((one) => NAMED_DISK.test(one));
  const answers = Buffer.from(argument(xml, "answers"), "base64url").toString("utf8");
  const disk = argument(xml, "disk");
  return { fn, erase, answers: answers === "" ? null : answers, ...(NAMED_DISK.test(disk) && { disk }) };
}

/** What goes with the call: names and base64 need no escaping in XML. */
export const pluginArguments = ({ erase, answers, disk }: PluginCall): Readonly<Record<string, string>> => ({
  erase: erase.join(" "),
  answers: Buffer.from(answers ?? "", "utf8").toString("base64url"),
  ...(disk !== undefined && { disk }),
});

const argument = (xml: string, name: string): string =>
  new RegExp(`<name>\\s*${name}\\s*</name>\\s*<value>\\s*(?:<string>)?([^<]*)<`).exec(xml)?.[1] ?? "";

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const envelope = (members: string): string =>
  `<?xml version="1.0"?><methodResponse><params><param><value><struct>${members}</struct></value></param></params></methodResponse>`;

const member = (name: string, value: string): string => `<member><name>${name}</name><value>${value}</value></member>`;

export const pluginSuccess = (text: string): string =>
  envelope(member("Status", "Success") + member("Value", escaped(text)));

/** xapi hands the list on as its error: a code, and what is said to people. */
export const pluginFailure = (reason: string): string => {
  const words = ["XENAPI_PLUGIN_FAILURE", PLUGIN, reason].map((word) => `<value>${escaped(word)}</value>`).join("");
  return envelope(member("Status", "Failure") + member("ErrorDescription", `<array><data>${words}</data></array>`));
};
