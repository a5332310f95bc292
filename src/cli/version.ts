// The version of this program, from the one place that names it.

import packageJson from "../../package.json" with { type: "json" };

export const version: string = packageJson.version;
