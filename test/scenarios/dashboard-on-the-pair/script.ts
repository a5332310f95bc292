import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { root } from "../../build.ts";
import { FACTS, NODES } from "../../lab/names.ts";
import { EXPORTER_PORT, startPrometheus, type Prometheus, type Sample } from "../../lab/prometheus.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { until } from "../../lab/serving.ts";
import { vmsOf } from "../../lab/steps.ts";

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[];
}

/** What a healthy pool under VOTE has no sample of: there is no witness, no fence agent, and no resync runs. */
const MAY_BE_EMPTY = ["tandem_witness_answering", "tandem_fence_ready", "tandem_drbd_resync_ratio"];
/** What only the host that served until the switch, or serves since then, can tell. */
const OF_ONE_HOST = ["tandem_service_gap_seconds", "tandem_target_sessions"];

const names = (expr: string): readonly string[] => [...new Set(expr.match(/\btandem_\w+/g))];
const shown = (samples: readonly Sample[]): string =>
  samples
    .map(({ instance, labels, value }) => {
      const own = Object.entries(labels).filter(([label]) => label !== "job" && label !== "__name__");
      const rest = own.map(([label, text]) => `${label}=${text}`);
      return `${[instance, ...rest].join(" ")} ${Number(value.toPrecision(4))}`;
    })
    .join(", ");

/** Every query of the dashboard, as Grafana asks it with all hosts chosen. */
async function askAll(prometheus: Prometheus, progress: (text: string) => void): Promise<void> {
  const dashboard = JSON.parse(readFileSync(join(root, "conf/grafana/tandem.json"), "utf8")) as Dashboard;
  const asked = dashboard.panels.flatMap(({ title, targets }) => (targets ?? []).map(({ expr }) => ({ title, expr })));
  const problems: string[] = [];
  for (const { title, expr } of asked) {
    const samples = await prometheus.query(expr.replaceAll("$instance", ".*"));
    progress(`${title}: ${expr.replaceAll('{instance=~"$instance"}', "")}: ${shown(samples)}`);
    const mayBeEmpty = names(expr).some((name) => MAY_BE_EMPTY.includes(name));
    const hosts = new Set(samples.map(({ instance }) => instance)).size;
    const least = mayBeEmpty ? 0 : names(expr).some((name) => OF_ONE_HOST.includes(name)) ? 1 : NODES.length;
    if (hosts < least) problems.push(`${title}: ${expr} has samples of ${hosts} hosts`);
    for (const { value } of samples) if (!Number.isFinite(value)) problems.push(`${title}: ${expr} is ${value}`);
  }
  assert.ok(asked.length >= 40, `${asked.length} queries`);
  assert.deepEqual(problems, []);
}

export const scenario: Scenario = {
  survivors: ({ lab }) => vmsOf(lab, ...NODES),
  async run({ begin, lab, owner, other, must, serving, prometheus: program, progress }) {
    assert.ok(program !== undefined, "this scenario needs Prometheus");
    for (const node of NODES) {
      await lab.upload(node, "/etc/tandem/metrics.yaml", `listen: ${FACTS[node].management}:${EXPORTER_PORT}\n`, 0o600);
      await must(node, "systemctl enable --now tandem-metrics", 60_000);
    }
    const prometheus = await startPrometheus(program);
    try {
      const one = async (expression: string, instance: string): Promise<number | undefined> =>
        (await prometheus.query(expression)).find((sample) => sample.instance === instance)?.value;
      const shows = (expression: string, nodes: readonly string[], limitMs: number): Promise<true> =>
        until(
          `Prometheus shows ${expression} of ${nodes.join(" and ")} alone`,
          async () => {
            const found = (await prometheus.query(expression)).map(({ instance }) => instance);
            return found.toSorted().join(" ") === nodes.join(" ") ? true : undefined;
          },
          limitMs,
          500,
        );
      const servesIs = (node: string): Promise<true> => shows("tandem_serving == 1", [node], 20_000);
      await servesIs(owner);
      assert.equal(await one("tandem_epoch", owner), await one("tandem_epoch", other));
      const epoch = (await one("tandem_epoch", owner)) ?? NaN;
      // The rates of five minutes have something to count by then.
      await delay(15_000);
      begin("iscsi-cfg switch");
      await must(owner, "iscsi-cfg switch", 60_000);
      assert.equal(await serving(20_000), other);
      await servesIs(other);
      assert.equal(await one("tandem_epoch", other), epoch + 1);
      const gap = (await one("tandem_service_gap_seconds", other)) ?? NaN;
      progress(`the gap that Prometheus has: ${gap} s`);
      assert.ok(gap > 0.1 && gap < 5, `a gap of ${gap} s`);
      for (const node of NODES) {
        assert.equal(await one("tandem_ha_enabled", node), 1);
        assert.equal(await one("tandem_watchdog_armed", node), 1);
        assert.equal(await one("tandem_alerts", node), 0);
        assert.equal(await one("tandem_peer_contact", node), 1);
      }
      // Both toolstacks were started anew, and tell each other that they are there.
      await shows("tandem_hosts_live == 2", NODES, 90_000);
      await shows("tandem_failures_tolerated == 1", NODES, 90_000);
      await askAll(prometheus, progress);
    } finally {
      await prometheus.stop();
    }
  },
  async heal() {
    // Nothing is broken.
  },
};
