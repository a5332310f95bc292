// What a person asks of the alerts: a test mail, one of their own, forgetting those about what happened.

import type { Config } from "../../config/config.ts";
import type { ControlReply, ControlRequest } from "../../drivers/control/port.ts";
import type { Alerts } from "./alerts.ts";

export type AlertRequest = Extract<ControlRequest, { kind: "email" | "raise-alert" | "clear-alerts" }>;

const OPERATOR_ALERT = "operator";
/** Alerts about something that happened, not about something that is. */
const TOLD_ALERTS = /^(operator:|custom-field$|secret-)/;

export function createAlertRequests(
  alerts: Pick<Alerts, "raise" | "clear" | "list" | "test">,
  config: () => Pick<Config, "alerts">,
): (request: AlertRequest) => Promise<ControlReply> {
  let nextId = 1;

  async function testMail(): Promise<ControlReply> {
    const { mail, smtp } = config().alerts;
    const sent = await alerts.test();
    const at = `${smtp.server}:${smtp.port}`;
    if (sent.ok) return { kind: "done", text: `${at} accepted a test mail to ${mail.to.join(", ")}` };
    return {
      kind: "failed",
      reason: `Cannot send a test mail to ${mail.to.join(", ")} by ${at}: ${sent.error}`,
      next: "ha-cfg set SMTP_SERVER, SMTP_PORT, SMTP_USER, SMTP_PASS or MAIL_TO",
    };
  }

  /** Conditions that still hold stay: forgetting one would not end it. */
  function clear(): ControlReply {
    const all = alerts.list();
    const told = all.filter(({ id }) => TOLD_ALERTS.test(id));
    for (const { id } of told) alerts.clear(id);
    const rest = all.length - told.length;
    const stays = rest === 0 ? "" : `; ${rest} stay, because what they say still holds (ha-cfg show-alerts)`;
    return { kind: "done", text: `${told.length} alerts cleared${stays}` };
  }

  return async function answer(request) {
    switch (request.kind) {
      case "email":
        return testMail();
      case "raise-alert":
        alerts.raise(`${OPERATOR_ALERT}:${nextId++}`, request.text);
        return { kind: "done", text: "the alert is raised" };
      case "clear-alerts":
        return clear();
    }
  };
}
