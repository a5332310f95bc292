// The exporter's file: the shipped example, and what wrong ones are answered.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseMetricsFile, SOCKET_ALONE } from "../../src/config/metrics-file.ts";
import { describeProblem } from "../../src/config/problem.ts";

const example = readFileSync(new URL("../../conf/metrics.yaml", import.meta.url), "utf8");
const problems = (text: string): string => {
  const parsed = parseMetricsFile(text);
  return parsed.ok ? "" : parsed.error.map(describeProblem).join("\n");
};

test("as it is shipped nothing listens on the network; with its comments taken off it is whole", () => {
  const shipped = parseMetricsFile(example);
  assert.deepEqual(shipped, { ok: true, value: SOCKET_ALONE });
  const full = parseMetricsFile(example.replaceAll(/^# (listen:|tls:|  certificate:|  key:|user:|password:)/gm, "$1"));
  assert.ok(full.ok);
  assert.deepEqual(full.value, {
    listen: [{ host: "192.168.1.241", port: 9664 }],
    tls: { certificate: "/etc/tandem/metrics.crt", key: "/etc/tandem/metrics.key" },
    login: { user: "prometheus", password: "at-least-8-characters" },
  });
});

const wrong: readonly (readonly [name: string, text: string, said: RegExp])[] = [
  ["an unknown name", "lissen: 127.0.0.1:9664\n", /lissen/],
  ["a name to listen on", "listen: xcp1:9664\n", /listen.*an address and a port/],
  ["half a login", "user: prometheus\n", /both or neither/],
  ["a login in the open", "listen: 10.0.0.1:9664\nuser: p\npassword: 12345678\n", /without tls.*in the open/],
  ["a short password", "user: p\npassword: 1234\n", /8 characters/],
  ["half of tls", "tls: { certificate: /a }\n", /tls.key/],
  ["a list where names were expected", "- 1\n", /listen, tls, user and password/],
];
for (const [name, text, said] of wrong) {
  test(`a metrics file with ${name} is refused with the reason`, () => assert.match(problems(text), said));
}

test("no error shows the password", () =>
  assert.doesNotMatch(problems("listen: 10.0.0.1:9664\nuser: p\npassword: geheim-geheim\n"), /geheim/));
