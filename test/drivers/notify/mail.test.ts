// Mails against a real SMTP server: encryption, login, refusals, servers that hang, and what must not get into a header.

import assert from "node:assert/strict";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { test } from "node:test";
import { sendMail, type Mail, type SmtpSettings } from "../../../src/drivers/notify/mail.ts";
import { FIRST } from "../../xapi-sim/addresses.ts";
import { startSmtp, type SmtpPeer, type SmtpPeerOptions } from "./smtp-peer.ts";

/** Loopback that does not look like it: the rules for a server somewhere else apply. */
const ELSEWHERE = "::ffff:127.0.0.1";
const PASSWORD = "s3cr3t pass";
const MAIL: Mail = {
  from: "root@xcp1.example",
  to: ["admin@example.org", "second@example.org"],
  subject: "SYSTEM_ALERT-FROM_HOST:xcp1 fencing raised",
  text: "Der zweite Rechner schweigt – seit 3 s.\n",
  messageId: "<1@tandem.test>",
  wallMs: 1_700_000_000_000,
};

async function withSmtp(options: SmtpPeerOptions, run: (peer: SmtpPeer) => Promise<void>): Promise<void> {
  const peer = await startSmtp(options);
  try {
    await run(peer);
  } finally {
    await peer.stop();
  }
}
const at = (peer: SmtpPeer, more: Partial<SmtpSettings> = {}): SmtpSettings => ({
  server: "127.0.0.1",
  port: peer.port,
  user: "",
  password: null,
  ...more,
});
const login = { user: "alerts", password: { reveal: () => PASSWORD } };

test("a plain server takes the mail for all receivers", async () => {
  await withSmtp({}, async (peer) => {
    assert.deepEqual(await sendMail(at(peer), MAIL, 5_000), { ok: true, value: "accepted" });
    const [mail] = peer.mails;
    assert.deepEqual(mail?.to, MAIL.to);
    assert.match(mail?.source ?? "", /^Subject: SYSTEM_ALERT-FROM_HOST:xcp1 fencing raised\r$/m);
    assert.match(mail?.source ?? "", /^Message-ID: <1@tandem.test>\r$/m);
    assert.match(mail?.source ?? "", /^Auto-Submitted: auto-generated\r$/m);
    assert.match(mail?.source ?? "", /^Date: Tue, 14 Nov 2023 22:13:20 \+0000\r$/m);
    assert.equal(mail?.encrypted, false);
  });
});

test("STARTTLS is used when offered, also with a certificate of nobody", async () => {
  await withSmtp({ starttls: true }, async (peer) => {
    assert.equal((await sendMail(at(peer), MAIL, 5_000)).ok, true);
    assert.equal(peer.mails[0]?.encrypted, true);
  });
});

test(
  "port 465 speaks TLS at once",
  { skip: process.getuid?.() === 0 ? false : "needs root for port 465" },
  async () => {
    await withSmtp({ implicitTls: true, host: FIRST, port: 465 }, async (peer) => {
      assert.deepEqual(await sendMail(at(peer, { server: FIRST }), MAIL, 5_000), { ok: true, value: "accepted" });
      assert.equal(peer.mails[0]?.encrypted, true);
    });
  },
);

test("a login at a server of this host", async () => {
  await withSmtp({ starttls: true, login: `alerts:${PASSWORD}` }, async (peer) => {
    assert.equal((await sendMail(at(peer, login), MAIL, 5_000)).ok, true);
    assert.equal(peer.mails[0]?.user, "alerts");
    const wrong = await sendMail(at(peer, { ...login, password: { reveal: () => "wr0ng" } }), MAIL, 5_000);
    assert.ok(!wrong.ok && /no such login|Invalid login/.test(wrong.error), JSON.stringify(wrong));
    assert.ok(!JSON.stringify(wrong).includes("wr0ng"));
  });
});

test("no password goes in the open, nor to a server whose certificate nobody vouches for", async () => {
  for (const starttls of [false, true]) {
    await withSmtp({ starttls, login: `alerts:${PASSWORD}` }, async (peer) => {
      const refused = await sendMail(at(peer, { server: ELSEWHERE, ...login }), MAIL, 5_000);
      assert.ok(!refused.ok && /STARTTLS|certificate/i.test(refused.error), JSON.stringify(refused));
      assert.deepEqual([peer.passwords, peer.mails], [[], []]);
    });
  }
});

test("refused receivers are an error that names them", async () => {
  await withSmtp({ refuses: "second@example.org" }, async (peer) => {
    const some = await sendMail(at(peer), MAIL, 5_000);
    assert.ok(!some.ok && /refused the receivers second@example.org/.test(some.error), JSON.stringify(some));
    const all = await sendMail(at(peer), { ...MAIL, to: ["second@example.org"] }, 5_000);
    assert.ok(!all.ok && /no such mailbox|rejected/.test(all.error), JSON.stringify(all));
  });
});

test("nothing in a subject or body becomes a header or ends the mail", async () => {
  await withSmtp({}, async (peer) => {
    const subject = "vm \r\nBcc: thief@example.org\r\n\r\nbody\u0000 <b>\ud800";
    const text = "first\r\n.\r\nRSET\r\nMAIL FROM:<x>\nlast";
    assert.equal((await sendMail(at(peer), { ...MAIL, subject, text }, 5_000)).ok, true);
    const [mail] = peer.mails;
    const [head = "", body = ""] = (mail?.source ?? "").split("\r\n\r\n");
    assert.doesNotMatch(head, /^Bcc:/im);
    assert.deepEqual(mail?.to, MAIL.to);
    assert.equal(peer.mails.length, 1);
    assert.match(body, /first\r\n\.\r\nRSET\r\nMAIL FROM:<x>\r\nlast/);
  });
});

const silent: readonly (readonly [what: string, serve: (socket: Socket) => void])[] = [
  ["never greets", () => undefined],
  ["greets one letter at a time", (socket) => drip(socket)],
  ["greets and then says nothing", (socket) => void socket.write("220 mail.example ESMTP\r\n")],
];
for (const [what, serve] of silent) {
  test(`a server that ${what} is left at the deadline`, async () => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.resume();
      socket.on("close", () => sockets.delete(socket));
      serve(socket);
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const began = performance.now();
    const result = await sendMail({ server: "127.0.0.1", port, user: "", password: null }, MAIL, 400);
    assert.ok(!result.ok, JSON.stringify(result));
    assert.ok(performance.now() - began < 1_500);
    for (let round = 0; round < 50 && sockets.size > 0; round += 1) await new Promise((r) => setTimeout(r, 10));
    server.close();
    const left = sockets.size;
    for (const socket of sockets) socket.destroy();
    assert.equal(left, 0, "its connection is closed");
  });
}

function drip(socket: Socket): void {
  const timer = setInterval(() => void socket.write("2"), 50);
  socket.on("close", () => clearInterval(timer));
}

test("a dead port is an error at once", async () => {
  const peer = await startSmtp();
  await peer.stop();
  const result = await sendMail(at(peer), MAIL, 5_000);
  assert.ok(!result.ok && /ECONNREFUSED/.test(result.error), JSON.stringify(result));
});
