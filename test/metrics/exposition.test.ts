// What Prometheus gets: the format, what unknown looks like, and that dashboards ask for what exists.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { exposition } from "../../src/metrics/exposition.ts";
import { FAMILIES, UP } from "../../src/metrics/families.ts";
import { healthyStatus, statusWith } from "../drivers/control/status-sample.ts";
import { counters } from "./sample.ts";

const lineOf = (text: string, start: string): string | undefined =>
  text.split("\n").find((line) => line.startsWith(start));

test("every family is told in Prometheus' format, each line of it well formed", async () => {
  const text = await exposition({ status: healthyStatus, counters });
  for (const line of text.trimEnd().split("\n"))
    assert.match(line, /^(# (HELP|TYPE) tandem_\w+ .+|tandem_\w+(\{(\w+="[^"\n]*",?)+\})? [0-9.eE+-]+|)$/);
  assert.equal(lineOf(text, "tandem_up "), "tandem_up 1");
  assert.equal(lineOf(text, 'tandem_host_state{state="OWNER"}'), 'tandem_host_state{state="OWNER"} 1');
  assert.equal(lineOf(text, 'tandem_host_state{state="STANDBY"}'), 'tandem_host_state{state="STANDBY"} 0');
  assert.equal(lineOf(text, "tandem_heartbeats_missed_total"), 'tandem_heartbeats_missed_total{link="management"} 2');
  assert.equal(lineOf(text, "tandem_lease_left_seconds"), "tandem_lease_left_seconds 4.87");
  assert.equal(lineOf(text, "tandem_service_gap_seconds"), "tandem_service_gap_seconds 0.412");
  assert.equal(lineOf(text, "# TYPE tandem_xapi_calls_total"), "# TYPE tandem_xapi_calls_total counter");
});

test("what is not known is no number: the sample is left out", async () => {
  const resources = [{ name: "iscsi1", view: null, why: "drbd is not loaded", solo: false, etaSeconds: null }];
  const target = { state: "unknown", expected: "running", pid: null, sessions: null } as const;
  const text = await exposition({
    status: statusWith({ resources, target, xapiRole: "unknown", watchdog: "unused" }, null, {
      vms: { ...healthyStatus.vms, failuresTolerated: null },
    }),
    counters,
  });
  for (const name of ["drbd_role", "drbd_suspended", "target_running", "target_sessions", "pool_master"])
    assert.equal(lineOf(text, `tandem_${name}`), undefined, name);
  for (const name of ["watchdog_armed", "failures_tolerated", "vote_held"])
    assert.equal(lineOf(text, `tandem_${name}`), undefined, name);
  assert.equal(lineOf(text, 'tandem_heartbeat_round_trip_seconds{link="replication"}'), undefined);
  assert.doesNotMatch(text, /NaN|null|undefined/);
});

test("a daemon that does not answer is down, and nothing else is said of it", async () => {
  const text = await exposition(null);
  assert.deepEqual(
    text.split("\n").filter((line) => line !== "" && !line.startsWith("#")),
    ["tandem_up 0"],
  );
});

test("no family has two names or undeclared labels", () => {
  assert.equal(new Set(FAMILIES.map(({ name }) => name)).size, FAMILIES.length);
  for (const { name, labels, read } of FAMILIES)
    for (const sample of read({ status: healthyStatus, counters }))
      assert.deepEqual(Object.keys(sample.labels).toSorted(), [...labels].toSorted(), name);
});

interface Dashboard {
  readonly title: string;
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[];
  readonly templating: { readonly list: readonly { readonly type: string; readonly query: string }[] };
}

test("the dashboard is a dashboard, and asks only for metrics and labels that exist", () => {
  const file = new URL("../../conf/grafana/tandem.json", import.meta.url);
  const dashboard = JSON.parse(readFileSync(file, "utf8")) as Dashboard;
  const asked = [
    ...dashboard.panels.flatMap(({ title, targets }) => (targets ?? []).map(({ expr }) => ({ title, expr }))),
    ...dashboard.templating.list
      .filter(({ type }) => type === "query")
      .map(({ query }) => ({ title: "templating", expr: query })),
  ];
  assert.ok(asked.length >= 15);
  const labelsOf = new Map<string, readonly string[]>([
    [UP.name, []],
    ...FAMILIES.map(({ name, labels }) => [name, labels] as const),
  ]);
  // Prometheus itself adds these to every sample.
  const scraped = ["instance", "job"];
  for (const { title, expr } of asked) {
    const names = [...expr.matchAll(/\btandem_\w+/g)].map(([name]) => name);
    assert.ok(names.length > 0, `${title}: ${expr}`);
    const known = names.flatMap((name) => {
      const labels = labelsOf.get(name);
      assert.ok(labels !== undefined, `${title} asks for ${name}`);
      return labels;
    });
    const used = [
      ...[...expr.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, label]) => label),
      ...[...expr.matchAll(/\b(?:by|without)\s*\(([^)]*)\)/g)].flatMap(([, list]) => list?.split(/,\s*/) ?? []),
    ];
    for (const label of used)
      assert.ok(label !== undefined && [...known, ...scraped].includes(label), `${title}: label ${label} in ${expr}`);
  }
  // A metric that nobody looks at is one too many, but for those that only alerting rules want.
  const shown = new Set(asked.flatMap(({ expr }) => [...expr.matchAll(/\btandem_\w+/g)].map(([name]) => name)));
  const unseen = FAMILIES.map(({ name }) => name).filter((name) => !shown.has(name));
  assert.deepEqual(unseen, ["tandem_vote_held", "tandem_drbd_solo", "tandem_uptime_seconds"]);
});
