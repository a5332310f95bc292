// Lists of ha-cfg: flags of VMs, alerts, and the whole cluster on one page.

import type { StatusDocument } from "../../core/model/status.ts";
import { textColumns, wantsColour } from "../context.ts";
import type { CliContext } from "../context.ts";
import { renderPicture } from "../iscsi-cfg/status/picture.ts";
import { defaultToleranceMs } from "../iscsi-cfg/status/sections.ts";
import { ask, tell } from "../request.ts";
import type { ExitCode } from "../request.ts";
import { clean, dateTime, wrap } from "../text.ts";
import { haBlock } from "./status.ts";

export async function showVmFlags(
  context: CliContext,
  { json, names }: { readonly json: boolean; readonly names: boolean },
): Promise<ExitCode> {
  const reply = await ask(context, { kind: "vms" }, json);
  if (reply === null) return 1;
  if (reply.kind !== "vms" || !names) return tell(context, reply, json);
  for (const { name } of reply.flags.vms) context.out(clean(name));
  return 0;
}

/** An exit code: the failure was told. */
async function statusOf(context: CliContext, json: boolean): Promise<StatusDocument | ExitCode> {
  const reply = await ask(context, { kind: "status" }, json);
  if (reply === null) return 1;
  return reply.kind === "status" ? reply.status : tell(context, reply, json) || 1;
}

export async function showAlerts(context: CliContext, json: boolean): Promise<ExitCode> {
  const status = await statusOf(context, json);
  if (typeof status === "number") return status;
  const { alerts } = status;
  if (json) context.out(JSON.stringify(alerts, null, 2));
  else if (alerts.length === 0) context.out("No alerts.");
  else
    for (const { sinceWallMs, id, text } of alerts)
      context.out(wrap(`${dateTime(sinceWallMs)}  ${clean(id)}: ${clean(text)}`, textColumns, "  ").join("\n"));
  return 0;
}

/** HA, storage and what was configured on one page: to be sent to somebody who helps. */
export async function showCluster(context: CliContext, json: boolean): Promise<ExitCode> {
  const status = await statusOf(context, json);
  if (typeof status === "number") return status;
  const reply = await ask(context, { kind: "get", scope: "pool" }, json);
  if (reply === null) return 1;
  const parameters = reply.kind === "parameters" ? reply.parameters : [];
  if (json) {
    context.out(JSON.stringify({ status, parameters }, null, 2));
    return 0;
  }
  const now = context.wallMs();
  const colour = wantsColour(context);
  const storage = renderPicture(status, { columns: textColumns, colour, now, toleranceMs: defaultToleranceMs });
  const changed = parameters.filter((one) => one.source !== "default");
  context.out(
    [
      ...haBlock(status, now),
      "",
      ...storage,
      "",
      "Parameters that are not the default:",
      ...changed.flatMap((one) => wrap(clean(`  ${one.name}=${one.value} (${one.source})`), textColumns, "    ")),
    ].join("\n"),
  );
  return 0;
}
