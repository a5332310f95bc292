// A real Prometheus beside the nodes, on the lab's management network: it reads what the exporters of both show.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FACTS, NODES } from "./names.ts";
import { until } from "./serving.ts";

/** The port that the example in conf/metrics.yaml has. */
export const EXPORTER_PORT = 9664;
const ADDRESS = "127.0.0.1:9090";
const ANSWER_MS = 10_000;

/** One value of an instant query, by the node that it is about. */
export interface Sample {
  readonly instance: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Prometheus {
  /** The samples of an expression now; throws when it is none. */
  query(expression: string): Promise<readonly Sample[]>;
  stop(): Promise<void>;
}

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data: {
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>;
      readonly value: readonly [number, string];
    }[];
  };
}

/** `program` is the binary; it asks both nodes each second. */
export async function startPrometheus(program: string): Promise<Prometheus> {
  const dir = mkdtempSync(join(tmpdir(), "tandem-prometheus-"));
  const targets = NODES.map((node) => ({
    targets: [`${FACTS[node].management}:${EXPORTER_PORT}`],
    labels: { instance: node },
  }));
  // JSON is YAML too.
  const config = {
    global: { scrape_interval: "1s", scrape_timeout: "1s" },
    scrape_configs: [{ job_name: "tandem", static_configs: targets }],
  };
  writeFileSync(join(dir, "prometheus.yml"), JSON.stringify(config));
  const child = spawn(
    program,
    [
      `--config.file=${dir}/prometheus.yml`,
      `--storage.tsdb.path=${dir}/data`,
      `--web.listen-address=${ADDRESS}`,
      "--log.level=warn",
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const ended = once(child, "exit");
  let failure: string | null = null;
  child.on("error", (error) => (failure = error.message));
  const prometheus: Prometheus = {
    async query(expression) {
      const url = `http://${ADDRESS}/api/v1/query?query=${encodeURIComponent(expression)}`;
      const answer = (await (await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) })).json()) as Answer;
      if (answer.status !== "success") throw new Error(`Prometheus refuses ${expression}: ${answer.error ?? "?"}`);
      return answer.data.result.map(({ metric: { instance = "", ...labels }, value: [, text] }) => ({
        instance,
        labels,
        value: Number(text),
      }));
    },
    async stop() {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await ended;
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
  try {
    await until(
      "Both exporters read by Prometheus",
      async () => {
        if (failure !== null || child.exitCode !== null)
          throw new Error(`Prometheus ended: ${failure ?? child.exitCode}`);
        const up = await prometheus.query("tandem_up == 1").catch(() => []);
        return up.length === NODES.length ? true : undefined;
      },
      60_000,
      500,
    );
  } catch (error) {
    await prometheus.stop();
    throw error;
  }
  return prometheus;
}
