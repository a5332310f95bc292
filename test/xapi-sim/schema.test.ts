import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { methodNames, findMethod } from "./registry.ts";
import { CLASS_NAMES, fieldsOf } from "./schema.ts";

const MODEL = resolve(import.meta.dirname, "../../../shared/fixtures/xapi/xenapi.json");
const skip = existsSync(MODEL) ? false : `no published data model at ${MODEL}`;

interface ModelMessage {
  readonly name: string;
  readonly params: readonly { readonly type: string; readonly name: string }[];
  readonly result: readonly string[];
}
interface ModelClass {
  readonly name: string;
  readonly fields: readonly { readonly name: string; readonly type: string; readonly qualifier: string }[];
  readonly messages: readonly ModelMessage[];
}

const model = new Map<string, ModelClass>(
  skip === false ? (JSON.parse(readFileSync(MODEL, "utf8")) as ModelClass[]).map((cls) => [cls.name, cls]) : [],
);

/** The model's words for a type in the notation of the field table. */
const short = (type: string): string => {
  const simple: Readonly<Record<string, string>> = { string: "s", int: "i", bool: "b", float: "f", datetime: "d" };
  const known = simple[type];
  if (known !== undefined) return known;
  const ref = /^(\w+) ref$/.exec(type);
  if (ref) return `@${ref[1] ?? ""}`;
  const set = /^(.*) set$/.exec(type);
  if (set) return `[${short(set[1] ?? "")}]`;
  const map = /^\((.*) -> (.*)\) map$/.exec(type);
  if (map) return `{${short(map[1] ?? "")},${short(map[2] ?? "")}}`;
  return type.startsWith("enum ") ? "e" : "?";
};

for (const cls of CLASS_NAMES) {
  test(`every field of class ${cls} is in the published data model with that type`, { skip }, () => {
    const published = new Map((model.get(cls)?.fields ?? []).map((field) => [field.name, field]));
    for (const field of fieldsOf(cls)) {
      const entry = published.get(field.name);
      assert.ok(entry, `${cls}.${field.name} is not published`);
      assert.equal(field.type, short(entry.type), `${cls}.${field.name}`);
      assert.equal(field.writable, entry.qualifier === "RW", `${cls}.${field.name} writable`);
    }
  });
}

/** Calls xapi answers but does not publish, or leaves out of the model because every class has them. */
const UNPUBLISHED =
  /^(pool\.is_slave|session\.slave_login|session\.slave_local_login|host\.local_assert_healthy|host\.ha_xapi_healthcheck|\w+\.get_all_records_where|host\.get_uncooperative_resident_VMs|event\.get_current_id|host\.is_in_emergency_mode|secret\.introduce)$/;

test("every call is published with the parameters it takes", { skip }, () => {
  const unknown: string[] = [];
  const wrong: string[] = [];
  for (const name of methodNames()) {
    const dot = name.indexOf(".");
    const message = model.get(name.slice(0, dot))?.messages.find((entry) => entry.name === name.slice(dot + 1));
    const method = findMethod(name);
    assert.ok(method);
    if (!message) {
      if (!UNPUBLISHED.test(name)) unknown.push(name);
      continue;
    }
    const params = message.params.filter((param) => param.name !== "session_id");
    // The second parameter of host.disable came after the published release (xapi 25.31).
    const added = name === "host.disable" ? 1 : 0;
    if (params.length + added !== method.params.length)
      wrong.push(`${name}: takes ${method.params.length}, published ${params.length}`);
    for (const [index, param] of params.entries()) {
      const [ours, theirs] = [method.params[index] ?? "", short(param.type)];
      if (ours.startsWith("?") || theirs === "?" || ours === theirs) continue;
      const loose = (type: string): string => type.replaceAll(/@\w+/g, "s").replaceAll("e", "s");
      if (loose(ours) !== loose(theirs)) wrong.push(`${name} parameter ${param.name}: ${ours}, published ${theirs}`);
    }
  }
  assert.deepEqual({ unknown, wrong }, { unknown: [], wrong: [] });
});
