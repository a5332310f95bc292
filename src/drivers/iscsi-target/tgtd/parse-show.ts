// What tgtd answers to "show target" and "show portal" (tgtadm --op show), 1.0.85. Pure.

import { err, ok, type Result } from "../../../util/result.ts";

export interface ShownLun {
  readonly lun: number;
  readonly type: string;
  readonly scsiId: string;
  readonly scsiSn: string;
  readonly online: boolean;
  readonly thinProvisioning: boolean;
  /** Null for the controller at LUN 0, which has none. */
  readonly path: string | null;
}

export interface ShownConnection {
  readonly sid: number;
  readonly cid: number;
  readonly initiator: string;
  readonly address: string | null;
}

export interface ShownTarget {
  readonly tid: number;
  readonly iqn: string;
  readonly luns: readonly ShownLun[];
  readonly connections: readonly ShownConnection[];
  readonly acl: readonly string[];
}

interface Draft {
  tid: number;
  iqn: string;
  luns: Record<string, string>[];
  connections: { sid: number; cid: number; initiator: string; address: string | null }[];
  acl: string[];
}

/** Sections are indented by four, their entries by eight and more. A line that opens nothing known is left out. */
export function parseShowTarget(text: string): Result<readonly ShownTarget[], string> {
  const targets: Draft[] = [];
  let target: Draft | null = null;
  let section = "";
  let sid = -1;
  let initiator = "";
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const head = /^Target (\d+): (\S+)/.exec(line);
    if (head !== null) {
      target = { tid: Number(head[1]), iqn: head[2] ?? "", luns: [], connections: [], acl: [] };
      targets.push(target);
      section = "";
      continue;
    }
    if (target === null) return err(line);
    const title = /^ {4}(\S.*):$/.exec(line)?.[1];
    if (title !== undefined) {
      section = title;
      continue;
    }
    const [, key = "", value = ""] = /^\s*([^:]+):\s*(.*?)\s*$/.exec(line) ?? [];
    if (section === "LUN information") {
      if (key === "LUN") target.luns.push({ LUN: value });
      else Object.assign(target.luns.at(-1) ?? {}, { [key]: value });
    } else if (section === "ACL information") {
      target.acl.push(line.trim());
    } else if (section === "I_T nexus information") {
      if (key === "I_T nexus") sid = Number(value);
      else if (key === "Initiator") initiator = value.split(" ")[0] ?? "";
      else if (key === "Connection") target.connections.push({ sid, cid: Number(value), initiator, address: null });
      else if (key === "IP Address") {
        const last = target.connections.at(-1);
        if (last !== undefined) last.address = value;
      }
    }
  }
  return finish(targets);
}

function finish(drafts: readonly Draft[]): Result<readonly ShownTarget[], string> {
  const targets: ShownTarget[] = [];
  for (const draft of drafts) {
    const luns: ShownLun[] = [];
    for (const fields of draft.luns) {
      const lun = Number(fields["LUN"]);
      const path = fields["Backing store path"];
      if (!Number.isInteger(lun) || path === undefined) return err(`LUN ${fields["LUN"] ?? ""} of ${draft.iqn}`);
      luns.push({
        lun,
        type: fields["Type"] ?? "",
        scsiId: fields["SCSI ID"] ?? "",
        scsiSn: fields["SCSI SN"] ?? "",
        online: fields["Online"] === "Yes",
        thinProvisioning: fields["Thin-provisioning"] === "Yes",
        path: path === "None" ? null : path,
      });
    }
    targets.push({ ...draft, luns });
  }
  return ok(targets);
}

/** `Portal: 10.10.10.3:3260,1`; IPv6 addresses come in brackets. */
export function parseShowPortal(text: string): readonly string[] {
  return [...text.matchAll(/^Portal: (\S+?),\d+$/gm)].map((match) => match[1] ?? "");
}
