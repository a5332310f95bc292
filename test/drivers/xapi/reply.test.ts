import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parseReply } from "../../../src/drivers/xapi/reply.ts";

describe("reading answers of xapi", () => {
  const cases: readonly (readonly [string, string, unknown])[] = [
    ["a v2 result", '{"jsonrpc":"2.0","result":"OpaqueRef:1","id":1}', { ok: true, value: "OpaqueRef:1" }],
    ["an empty string as void", '{"jsonrpc":"2.0","result":"","id":1}', { ok: true, value: "" }],
    ["a v1 result beside a null error", '{"result":true,"error":null,"id":1}', { ok: true, value: true }],
    [
      "an error object",
      '{"jsonrpc":"2.0","error":{"code":1,"message":"HANDLE_INVALID","data":["VM","OpaqueRef:NULL"]},"id":1}',
      { ok: false, error: { kind: "api", call: "m", code: "HANDLE_INVALID", params: ["VM", "OpaqueRef:NULL"] } },
    ],
    [
      "a bare array of a forwarded call",
      '{"jsonrpc":"2.0","error":["HANDLE_INVALID","VM","OpaqueRef:NULL"],"id":1}',
      { ok: false, error: { kind: "api", call: "m", code: "HANDLE_INVALID", params: ["VM", "OpaqueRef:NULL"] } },
    ],
    [
      "the emergency gate's v1 envelope with id 0",
      '{"result":null,"error":["HOST_MASTER_CANNOT_TALK_BACK","10.66.0.1"],"id":0}',
      { ok: false, error: { kind: "api", call: "m", code: "HOST_MASTER_CANNOT_TALK_BACK", params: ["10.66.0.1"] } },
    ],
    [
      "an error object without data",
      '{"error":{"code":1,"message":"X"},"id":0}',
      { ok: false, error: { kind: "api", call: "m", code: "X", params: [] } },
    ],
    [
      "parameters that are not strings",
      '{"error":["X",1,null],"id":0}',
      { ok: false, error: { kind: "api", call: "m", code: "X", params: ["1", "null"] } },
    ],
    [
      "NaN and Infinity as xapi prints them, but not inside strings",
      '{"result":{"a":NaN,"b":-Infinity,"c":"NaN \\"Infinity"},"id":1}',
      { ok: true, value: { a: null, b: null, c: 'NaN "Infinity' } },
    ],
  ];
  for (const [name, body, expected] of cases) {
    test(`reads ${name}`, () => assert.deepEqual(parseReply("m", 200, body), expected));
  }

  for (const body of [
    "",
    "nonsense",
    "[]",
    "null",
    '"x"',
    "{}",
    '{"error":[]}',
    '{"error":{"code":1}}',
    '{"error":7}',
  ]) {
    test(`calls ${JSON.stringify(body)} malformed instead of guessing`, () => {
      const reply = parseReply("m", 200, body);
      assert.ok(!reply.ok);
      assert.equal(reply.error.kind, "malformed");
    });
  }

  test("shows the text of an HTTP 500 page", () => {
    const reply = parseReply(
      "m",
      500,
      "<html><body><h1>HTTP 500 internal server error</h1>An unexpected error</body></html>",
    );
    assert.ok(!reply.ok);
    assert.deepEqual(reply.error, {
      kind: "malformed",
      call: "m",
      sample: "HTTP 500: HTTP 500 internal server error An unexpected error",
    });
  });
});

describe("the exchanges recorded from a real xapi", () => {
  const folder = join(import.meta.dirname, "../../../../shared/fixtures/xapi");
  const skip = existsSync(folder) ? false : "the recorded exchanges are not beside the checkout";
  for (const file of ["master.json", "slave.json", "emergency.json"]) {
    test(`every JSON answer of ${file} is read: result as it is, error with its code`, { skip }, () => {
      const exchanges = JSON.parse(readFileSync(join(folder, file), "utf8")) as readonly Exchange[];
      const json = exchanges.filter((one) => one.path === "/jsonrpc");
      assert.ok(json.length > 10);
      for (const { name, response } of json) {
        const reply = parseReply("m", response.status, response.body);
        if (response.status !== 200) {
          assert.ok(!reply.ok && reply.error.kind === "malformed", name);
          continue;
        }
        const raw = JSON.parse(response.body) as { result?: unknown; error?: unknown };
        if (raw.error === undefined || raw.error === null)
          assert.deepEqual(reply, { ok: true, value: raw.result }, name);
        else {
          assert.ok(!reply.ok && reply.error.kind === "api", name);
          assert.match(reply.error.code, /^[A-Z_0-9]+$/, name);
          assert.ok(response.body.includes(`"${reply.error.code}"`), name);
        }
      }
    });
  }
});

interface Exchange {
  readonly name: string;
  readonly path: string;
  readonly response: { readonly status: number; readonly body: string };
}
