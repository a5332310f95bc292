// Reads the regions of measuring VMs from a disk and prints what every slot holds, as one JSON object.
// Must never write to the disk, nor judge: compare.ts knows what was acknowledged.
import { parseArgs } from "node:util";
import { openDirectDevice, openIscsiDevice, type Device } from "./device.ts";
import { readRegion, type Region, type RegionReport } from "./region.ts";
import { splitAddress, wholeNumber } from "./vm-options.ts";

export interface VerifyOutput {
  readonly source: string;
  readonly atMs: number;
  readonly regions: readonly RegionReport[];
}

const usage =
  "Usage: verify (--device PATH [--buffered] | --portal HOST:PORT --iqn IQN --initiator-iqn IQN [--lun N])\n" +
  "              --region VM-UUID:START:BYTES [--region …]";

export function parseRegion(text: string): Region {
  const [vm, start, bytes, ...more] = text.split(":");
  if (!vm || start === undefined || bytes === undefined || more.length > 0) {
    throw new Error(`Cannot use --region: found "${text}", expected VM-UUID:START:BYTES`);
  }
  return {
    vm: vm.toLowerCase(),
    startBytes: wholeNumber(start, "--region", 0),
    bytes: wholeNumber(bytes, "--region", 4096),
  };
}

export async function verify(device: Device, source: string, regions: readonly Region[]): Promise<VerifyOutput> {
  await device.open();
  const reports: RegionReport[] = [];
  for (const region of regions) reports.push(await readRegion(device, region));
  await device.close();
  return { source, atMs: Date.now(), regions: reports };
}

async function main(args: readonly string[]): Promise<void> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      device: text,
      buffered: { type: "boolean" },
      portal: text,
      iqn: text,
      "initiator-iqn": text,
      lun: text,
      region: { type: "string", multiple: true },
    },
  });
  const regions = (values.region ?? []).map(parseRegion);
  if (regions.length === 0) throw new Error(usage);
  if (values.device) {
    const device = openDirectDevice({ path: values.device, readOnly: true, direct: values.buffered !== true });
    console.log(JSON.stringify(await verify(device, values.device, regions)));
    return;
  }
  if (!values.portal || !values.iqn || !values["initiator-iqn"]) throw new Error(usage);
  const device = openIscsiDevice({
    ...splitAddress(values.portal, "--portal"),
    targetIqn: values.iqn,
    initiatorIqn: values["initiator-iqn"],
    lun: wholeNumber(values.lun ?? "10", "--lun", 0),
  });
  console.log(JSON.stringify(await verify(device, `${values.portal}/${values.iqn}`, regions)));
}

if (import.meta.main) {
  // Not by process.exit: what a slow reader has not taken from the pipe yet would be lost.
  main(process.argv.slice(2)).then(
    () => process.stdout.end(),
    (error: unknown) => {
      console.error(error instanceof Error ? error.message : String(error));
      process.exit(2);
    },
  );
}
