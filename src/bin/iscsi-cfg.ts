#!/usr/bin/env node
// The program iscsi-cfg, also under its older name iscsi-ha: hands the command line to src/cli/iscsi-cfg. Must hold no logic.

import { basename } from "node:path";
import { processContext } from "../cli/context.ts";
import { iscsiCfg } from "../cli/iscsi-cfg/main.ts";
import { endQuietlyOnClosedPipe, exitWith } from "../cli/process.ts";

endQuietlyOnClosedPipe();
const context = processContext();
if (basename(process.argv[1] ?? "") === "iscsi-ha") context.note("iscsi-ha is now called iscsi-cfg.");
exitWith(await iscsiCfg(process.argv.slice(2), context));
