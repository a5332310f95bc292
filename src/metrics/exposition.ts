// The daemon's answer in Prometheus' text format. Values are taken over as they are, so nothing is kept between scrapes.

import { Counter, Gauge, Registry } from "prom-client";
import { FAMILIES, UP, type Facts } from "./families.ts";

export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** Null: the daemon does not answer. */
export function exposition(facts: Facts | null): Promise<string> {
  const registry = new Registry();
  const registers = [registry];
  new Gauge({ ...UP, registers }).set(facts === null ? 0 : 1);
  for (const { name, help, type, labels, read } of facts === null ? [] : FAMILIES) {
    const options = { name, help, labelNames: [...labels], registers };
    const samples = read(facts as Facts);
    if (samples.length === 0) continue;
    if (type === "gauge") {
      const gauge = new Gauge(options);
      for (const sample of samples) gauge.set(sample.labels, sample.value);
    } else {
      const counter = new Counter(options);
      for (const sample of samples) counter.inc(sample.labels, sample.value);
    }
  }
  return registry.metrics();
}
