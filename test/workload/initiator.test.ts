import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { createInitiator, type Initiator, type InitiatorEvent } from "./initiator.ts";
import { HEADER_BYTES, createPduReader } from "./pdu.ts";
import { inquiry, parseCapacity16, parseInquiry, readCapacity16, testUnitReady, type ScsiOutcome } from "./scsi.ts";
import { createTgt, findTgt, lun, targetIqn, type Tgt } from "./tgt-fixture.ts";

const programs = await findTgt();
/** Beyond 2^32 blocks, so that WRITE(16) is needed; sparse. */
const diskBytes = 3 * 2 ** 40;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("PDUs are cut the same however TCP delivers them", () => {
  const pdus = [0, 5, 4096, 1].map((bytes, i) => {
    const header = Buffer.alloc(HEADER_BYTES, i + 1);
    header[4] = 0;
    header.writeUIntBE(bytes, 5, 3);
    return Buffer.concat([header, Buffer.alloc((bytes + 3) & ~3, i + 100)]);
  });
  const stream = Buffer.concat(pdus);
  for (const step of [1, 7, 47, 48, 49, 1000, stream.length]) {
    const seen: string[] = [];
    const reader = createPduReader(8192, (header, data) => seen.push(`${header[0]}:${data.length}:${data[0] ?? "-"}`));
    for (let at = 0; at < stream.length; at += step) assert.ok(reader.feed(stream.subarray(at, at + step)));
    assert.deepEqual(seen, ["1:0:-", "2:5:101", "3:4096:102", "4:1:103"], `in steps of ${step}`);
  }
});

test("a peer that announces more data than we declared is not believed", () => {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUIntBE(0xffffff, 5, 3);
  assert.equal(createPduReader(8192, () => assert.fail("no PDU")).feed(header), false);
});

describe("with a real tgtd", { skip: typeof programs === "string" ? programs : false }, () => {
  let tgt: Tgt;
  const events: InitiatorEvent[] = [];
  const open: Initiator[] = [];

  before(async () => {
    if (typeof programs === "string") return;
    tgt = await createTgt(programs, diskBytes);
  });
  const closeAll = async (): Promise<void> => {
    for (const initiator of open.splice(0)) await initiator.close();
  };
  after(async () => {
    await closeAll();
    await tgt?.remove();
  });

  function connect(): Initiator {
    events.length = 0;
    const options = { host: "127.0.0.1", port: tgt.port, targetIqn, initiatorIqn: "iqn.2026-11.lab.tandem:xcp1", lun };
    const initiator = createInitiator({ ...options, commandTimeoutMs: 400, onEvent: (event) => events.push(event) });
    open.push(initiator);
    initiator.start();
    return initiator;
  }
  const write = (to: Initiator, lba: number, data: Buffer): Promise<ScsiOutcome> =>
    new Promise((resolve) => to.write(lba, data, 512, resolve));
  async function read(from: Initiator, lba: number, bytes: number): Promise<Buffer> {
    const into = Buffer.alloc(bytes);
    const outcome = await new Promise<ScsiOutcome>((resolve) => from.read(lba, into, 512, resolve));
    assert.deepEqual(outcome, { kind: "good", bytes });
    return into;
  }
  async function writeAndReadBack(initiator: Initiator): Promise<void> {
    for (const [lba, bytes] of [
      [0, 512],
      [8, 4096],
      [64, 20_480],
      [512, 262_144],
      [2 ** 32 + 24, 4096],
    ] as const) {
      const data = randomBytes(bytes);
      assert.equal((await write(initiator, lba, data)).kind, "good");
      assert.ok((await read(initiator, lba, bytes)).equals(data), `${bytes} bytes at ${lba}`);
    }
  }

  test("logs in, says what the disk is, and reads back what it wrote", async () => {
    await tgt.start();
    const initiator = connect();
    assert.equal((await initiator.execute(testUnitReady())).kind, "good");
    const who = inquiry();
    assert.equal((await initiator.execute(who)).kind, "good");
    assert.deepEqual(parseInquiry(who.data), { vendor: "IET", product: "VIRTUAL-DISK" });
    const capacity = readCapacity16();
    assert.equal((await initiator.execute(capacity)).kind, "good");
    assert.deepEqual(parseCapacity16(capacity.data), { blocks: diskBytes / 512, blockBytes: 512 });
    await writeAndReadBack(initiator);
  });

  test("many commands at once are all answered", async () => {
    const initiator = connect();
    const blocks = Array.from({ length: 300 }, () => randomBytes(4096));
    const outcomes = await Promise.all(blocks.map((block, i) => write(initiator, i * 8, block)));
    assert.ok(outcomes.every((outcome) => outcome.kind === "good"));
    assert.ok((await read(initiator, 0, 300 * 4096)).equals(Buffer.concat(blocks)));
  });

  test("a write beyond the end is an error of the disk, not a reason to repeat", async () => {
    const outcome = await write(connect(), diskBytes / 512, Buffer.alloc(512));
    assert.deepEqual(outcome, { kind: "check-condition", key: 5, asc: 0x21, ascq: 0 });
  });

  test("answers the target's questions while idle, so that the session lives", async () => {
    await closeAll();
    await tgt.kill();
    await tgt.start({ nop_interval: "1", nop_count: "2" });
    const initiator = connect();
    await initiator.execute(testUnitReady());
    await sleep(4500); // tgtd asks each second and gives up after two unanswered
    assert.deepEqual(
      events.map((event) => event.kind),
      ["connected"],
    );
    assert.ok(initiator.isConnected());
  });

  test("repeats the unanswered write when the target was killed and is back", async () => {
    const initiator = connect();
    await initiator.execute(testUnitReady());
    await tgt.kill();
    const data = randomBytes(4096);
    const answer = write(initiator, 80, data);
    await sleep(150);
    assert.ok(!initiator.isConnected());
    await tgt.start();
    assert.equal((await answer).kind, "good");
    assert.ok((await read(initiator, 80, 4096)).equals(data));
    assert.ok(events.some((event) => event.kind === "lost"));
    assert.ok(events.some((event) => event.kind === "refused"));
  });

  test("gives a silent target up after the command time-out and goes on when it speaks again", async () => {
    const initiator = connect();
    await initiator.execute(testUnitReady());
    tgt.freeze();
    const answer = write(initiator, 88, randomBytes(4096));
    await sleep(700);
    assert.deepEqual(
      events.filter((event) => event.kind === "lost").map((event) => event.why),
      ["no answer within 400 ms"],
    );
    tgt.thaw();
    assert.equal((await answer).kind, "good");
  });

  test("sends data unasked where the target allows it, and none at once where it forbids it", async () => {
    for (const [parameters, expected] of [
      [{ InitialR2T: "No" }, { initialR2T: false, immediateData: true }],
      [
        { InitialR2T: "No", ImmediateData: "No" },
        { initialR2T: false, immediateData: false },
      ],
      [
        { ImmediateData: "No", MaxRecvDataSegmentLength: "4096" },
        { initialR2T: true, immediateData: false, maxSendBytes: 4096 },
      ],
    ] as const) {
      await tgt.kill();
      await tgt.start(parameters);
      const initiator = connect();
      await writeAndReadBack(initiator);
      const connected = events.find((event) => event.kind === "connected");
      assert.ok(connected?.kind === "connected");
      assert.deepEqual({ ...connected.parameters, ...expected }, connected.parameters);
      await initiator.close();
    }
  });
});
