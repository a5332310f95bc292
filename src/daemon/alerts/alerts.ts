// Conditions a person should know of: raised once, listed while they last, cleared once; told by e-mail and by xapi messages
// under flood control. Telling never makes anybody wait, and a dead mail server or a full disk changes nothing else.

import { randomUUID } from "node:crypto";
import type { PoolAlert } from "../../act/pool/alert.ts";
import { areaSwitches } from "../../config/areas.ts";
import type { Config, MailConfig } from "../../config/config.ts";
import type { StatusDocument } from "../../core/model/status.ts";
import type { Millis } from "../../core/model/time.ts";
import type { ClockPort } from "../../drivers/clock/port.ts";
import type { SendMail } from "../../drivers/notify/mail.ts";
import type { JsonCache } from "../../drivers/store/json-cache.ts";
import { VERSION } from "../../report/version.ts";
import type { Result } from "../../util/result.ts";
import { afterRestart, clear, endUnconfirmed, raise, sweep, type Notice, type Step } from "./alert-screen.ts";
import { createAlertStore, NOTHING, ROUTES, type Remembered, type Route, type Told } from "./alert-store.ts";
import { areaOfAlert, isStorageArea, mailBody, mailSubject, noticeText, type Place } from "./alert-texts.ts";
import { createOutbox, type Delivery, type Outbox } from "./outbox.ts";

export interface Alerts {
  raise(id: string, text: string): void;
  clear(id: string): void;
  list(): StatusDocument["alerts"];
  /** A test mail now, past queue and switches; the error says what the server or the way to it objects to. */
  test(): Promise<Result<"accepted", string>>;
  /** From now on what waits is delivered. */
  start(): void;
  stop(): Promise<void>;
}

export interface AlertParts {
  readonly clock: ClockPort;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
  readonly config: () => Pick<Config, "alerts" | "areas" | "self" | "poolId">;
  readonly cache: JsonCache<Remembered>;
  readonly sendMail: SendMail;
  /** Puts a message into xapi. */
  readonly message: (alert: PoolAlert) => Promise<Result<unknown, string>>;
  readonly firstRetryMs?: Millis;
  readonly gatherMs?: Millis;
  readonly sweepMs?: Millis;
  /** What was open before a restart and is not raised again within this time is over. */
  readonly confirmMs?: Millis;
}

const MAIL_MS: Millis = 30_000;
const SWEEP_MS: Millis = 30_000;
const CONFIRM_MS: Millis = 300_000;
const MESSAGE_KEPT_MS: Millis = 6 * 3_600_000;
/** xapi shows 1 as most urgent and 5 as information. */
const INFORMATION = 5;

export async function openAlerts(parts: AlertParts): Promise<Alerts> {
  const { clock, log, config } = parts;
  const remembered = (await parts.cache.load()) ?? NOTHING;
  let screen = afterRestart(remembered.screen);
  const open = new Map<string, { readonly id: string; readonly sinceWallMs: number; readonly text: string }>();
  const place = (): Place => ({ hostName: config().self.name, poolId: config().poolId, version: VERSION });

  const deliver: Readonly<Record<Route, (told: readonly Told[], dropped: number) => Promise<Delivery>>> = {
    mail: (told, dropped) => mail(config().alerts.mail, told, dropped),
    storageMail: (told, dropped) => mail(config().alerts.storageMail, told, dropped),
    xapi: (told) => messages(told),
  };
  const outbox = (route: Route): Outbox<Told> =>
    createOutbox({
      clock,
      initial: remembered.waiting[route],
      deliver: deliver[route],
      onChange: () => store.changed(),
      onTrouble: (reason) =>
        reason === null
          ? log("alert.sent", `the ${NAMES[route]} takes alerts again`)
          : log("alert.unsent", `alerts wait for the ${NAMES[route]}: ${reason}`, "warn"),
      ...(parts.firstRetryMs === undefined ? {} : { firstRetryMs: parts.firstRetryMs }),
      ...(parts.gatherMs === undefined ? {} : { gatherMs: parts.gatherMs }),
    });
  const boxes: Readonly<Record<Route, Outbox<Told>>> = {
    mail: outbox("mail"),
    storageMail: outbox("storageMail"),
    xapi: outbox("xapi"),
  };
  const store = createAlertStore(
    parts.cache,
    () => ({
      screen,
      waiting: { mail: boxes.mail.state(), storageMail: boxes.storageMail.state(), xapi: boxes.xapi.state() },
    }),
    (reason) =>
      reason === null
        ? log("alert.sent", "alerts are kept on disk again")
        : log("alert.unsent", `alerts are kept in memory only: ${reason}`, "warn"),
  );

  async function mail(to: MailConfig, told: readonly Told[], dropped: number): Promise<Delivery> {
    const [first] = told;
    // Switched off in the meantime: what waits is not wanted any more.
    if (!to.on || first === undefined) return { taken: told.length, failure: null };
    const at = place();
    const sent = await parts.sendMail(
      config().alerts.smtp,
      {
        from: to.from,
        to: to.to,
        subject: mailSubject(to.subject, at, told),
        text: mailBody(at, told, dropped),
        messageId: `<${first.uid}.${told.length}@tandem.${config().self.uuid}>`,
        wallMs: first.wallMs,
      },
      MAIL_MS,
    );
    return sent.ok ? { taken: told.length, failure: null } : { taken: 0, failure: sent.error };
  }

  async function messages(told: readonly Told[]): Promise<Delivery> {
    const { alerts, areas, self } = config();
    for (const [taken, one] of told.entries()) {
      // One that xapi refuses for good must not hold back the others for ever.
      if (!alerts.xapiMessages || clock.wallMs() - one.wallMs > MESSAGE_KEPT_MS) continue;
      const { priority } = areaSwitches(areas, areaOfAlert(one.id));
      const made = await parts.message({
        name: `TANDEM_${(one.id.split(":")[0] ?? "").toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`,
        priority: one.kind === "over" ? INFORMATION : urgency(priority),
        about: { class: "Host", uuid: self.uuid },
        body: noticeText(one),
      });
      if (!made.ok) return { taken, failure: made.error };
    }
    return { taken: told.length, failure: null };
  }

  function take(step: Step): void {
    screen = step.screen;
    for (const notice of step.notices) tell(notice);
    store.changed();
  }

  function tell(notice: Notice): void {
    const { alerts, areas } = config();
    const area = areaOfAlert(notice.id);
    const switches = areaSwitches(areas, area);
    const told: Told = { ...notice, uid: randomUUID() };
    const route = isStorageArea(area) ? "storageMail" : "mail";
    if (alerts[route].on && switches.mail) boxes[route].add([told]);
    if (alerts.xapiMessages && switches.priority > 0) boxes.xapi.add([told]);
  }

  const sweeping = setInterval(() => {
    const step = sweep(screen, config().alerts.screenTimeMs, clock.wallMs());
    if (step.screen !== screen) take(step);
    store.retry();
  }, parts.sweepMs ?? SWEEP_MS);
  const confirming = setTimeout(() => take(endUnconfirmed(screen, clock.wallMs())), parts.confirmMs ?? CONFIRM_MS);

  return {
    raise(id, text) {
      if (open.get(id)?.text === text) return;
      open.set(id, { id, sinceWallMs: open.get(id)?.sinceWallMs ?? clock.wallMs(), text });
      log("alert.raised", `${id}: ${text}`, "error");
      take(raise(screen, id, text, config().alerts.screenTimeMs, clock.wallMs()));
    },
    clear(id) {
      if (!open.delete(id)) return;
      log("alert.cleared", id);
      take(clear(screen, id, clock.wallMs()));
    },
    list: () => [...open.values()],
    test() {
      const { alerts, self } = config();
      const at = place();
      return parts.sendMail(
        alerts.smtp,
        {
          from: alerts.mail.from,
          to: alerts.mail.to,
          subject: `${mailSubject(alerts.mail.subject, at, [])} test`,
          text: `A test mail of tandem ${VERSION} on ${at.hostName}: alerts of this host reach you.\n`,
          messageId: `<${randomUUID()}@tandem.${self.uuid}>`,
          wallMs: clock.wallMs(),
        },
        MAIL_MS,
      );
    },
    start() {
      for (const route of ROUTES) boxes[route].start();
    },
    async stop() {
      clearInterval(sweeping);
      clearTimeout(confirming);
      await Promise.all(ROUTES.map((route) => boxes[route].stop()));
      await store.settled();
    },
  };
}

const NAMES: Readonly<Record<Route, string>> = {
  mail: "mail server",
  storageMail: "mail server (storage alerts)",
  xapi: "pool's database",
};

function urgency(priority: number): PoolAlert["priority"] {
  return priority === 1 || priority === 2 || priority === 4 || priority === 5 ? priority : 3;
}
