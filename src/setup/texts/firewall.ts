// The rules that let the storage's traffic in, and where they go in the file that a dom0 loads at boot. Pure.

import { isIP } from "node:net";
import type { SetupAnswers, SetupHost } from "../answers.ts";

export interface FirewallFamily {
  readonly file: string;
  readonly tool: "iptables" | "ip6tables";
}

export const familyOf = (address: string): FirewallFamily =>
  isIP(address) === 6
    ? { file: "/etc/sysconfig/ip6tables", tool: "ip6tables" }
    : { file: "/etc/sysconfig/iptables", tool: "iptables" };

const ISCSI_PORT = 3260;
const PEER_PORT = 7694;

/** One rule, without the chain: the words after `-A CHAIN`. */
export type Rule = readonly string[];

const comment = ["-m", "comment", "--comment", "tandem"];
const accept = ["-j", "ACCEPT"];

/** For one family: from the other host alone, DRBD and iSCSI on the storage link, the daemons on both links. */
export function rulesOf(answers: SetupAnswers, peer: SetupHost, tool: FirewallFamily["tool"]): readonly Rule[] {
  const rules: Rule[] = [];
  const from = (address: string, protocol: "tcp" | "udp", ports: readonly number[]): void => {
    if (familyOf(address).tool !== tool) return;
    const host = `${address}/${isIP(address) === 6 ? 128 : 32}`;
    const match = ["-p", protocol, "-m", "multiport", "--dports", ports.join(",")];
    rules.push(["-s", host, ...match, ...comment, ...accept]);
  };
  from(peer.replication, "tcp", [ISCSI_PORT, PEER_PORT, answers.drbdPort]);
  from(peer.replication, "udp", [PEER_PORT]);
  from(peer.management, "tcp", [PEER_PORT]);
  from(peer.management, "udp", [PEER_PORT]);
  return rules;
}

/** The families in which there is anything to open. */
export const toolsOf = (peer: SetupHost): readonly FirewallFamily[] => {
  const own = [familyOf(peer.replication), familyOf(peer.management)];
  return own.filter(({ tool }, index) => own.findIndex((other) => other.tool === tool) === index);
};

/** Where a dom0's rules end in a refusal. INPUT where there is no chain of Red Hat's. */
export function chainOf(text: string): string {
  return /^:RH-Firewall-1-INPUT\b/m.test(text) ? "RH-Firewall-1-INPUT" : "INPUT";
}

/** The rules that the text lacks, in front of the chain's first refusal; the same text when it lacks none. */
export function openFirewall(text: string, rules: readonly Rule[]): string {
  const chain = chainOf(text);
  const lines = text.split("\n");
  const table = lines.indexOf("*filter");
  const missing = rules.map((rule) => `-A ${chain} ${rule.join(" ")}`).filter((line) => !lines.includes(line));
  if (missing.length === 0 || table < 0) return text;
  const isRefusal = (line: string): boolean => line.startsWith(`-A ${chain} `) && /-j (REJECT|DROP)\b/.test(line);
  const refusal = lines.findIndex((line, index) => index > table && isRefusal(line));
  const commit = lines.findIndex((line, index) => index > table && line === "COMMIT");
  const at = refusal >= 0 ? refusal : commit;
  if (at < 0) return text;
  return [...lines.slice(0, at), ...missing, ...lines.slice(at)].join("\n");
}

/** Rules that the file lacks. */
export const missingRules = (text: string, rules: readonly Rule[]): readonly Rule[] => {
  const lines = new Set(text.split("\n"));
  return rules.filter((rule) => !lines.has(`-A ${chainOf(text)} ${rule.join(" ")}`));
};
