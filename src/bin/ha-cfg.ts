#!/usr/bin/env node
// The program ha-cfg: hands the command line to src/cli/ha-cfg and ends with its exit code. Must hold no logic.

import { processContext } from "../cli/context.ts";
import { haCfg } from "../cli/ha-cfg/main.ts";
import { endQuietlyOnClosedPipe, exitWith } from "../cli/process.ts";

endQuietlyOnClosedPipe();
exitWith(await haCfg(process.argv.slice(2), processContext()));
