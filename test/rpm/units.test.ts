// The units must mean on a dom0 (systemd 219, CentOS 7) what they say: an unknown directive is ignored there, with a line in
// the journal that nobody reads, and the protection it names is not there.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, test } from "node:test";
import { root } from "../build.ts";

/** Section.Directive → what systemd 219 takes as its value, from its manual pages; any text where that has not grown since. */
const KNOWN: Readonly<Record<string, RegExp>> = {
  "Unit.Description": /./,
  "Unit.After": /^[\w. -]+$/,
  "Unit.Wants": /^[\w. -]+$/,
  "Unit.Requires": /^[\w. -]+$/,
  "Unit.ConditionPathExists": /^\|?!?\//,
  "Service.Type": /^(simple|forking|oneshot|notify)$/,
  "Service.NotifyAccess": /^(none|main|all)$/,
  "Service.Environment": /^[A-Z_]+=\S+$/,
  "Service.ExecStart": /^\/\S+/,
  "Service.ExecReload": /^\/\S+/,
  "Service.TimeoutStartSec": /^\d+$/,
  "Service.TimeoutStopSec": /^\d+$/,
  "Service.WatchdogSec": /^\d+$/,
  "Service.Restart": /^(no|on-success|on-failure|on-abnormal|on-watchdog|on-abort|always)$/,
  "Service.RestartSec": /^\d+(ms)?$/,
  // Their names since 230 stand in [Unit]; the old ones are understood to this day.
  "Service.StartLimitInterval": /^\d+$/,
  "Service.StartLimitBurst": /^\d+$/,
  // Its successor MemoryMax is of 231.
  "Service.MemoryLimit": /^\d+[KMG]$/,
  "Service.KillMode": /^(control-group|process|mixed|none)$/,
  "Service.OOMScoreAdjust": /^-?\d+$/,
  "Service.Nice": /^-?\d+$/,
  "Service.LimitNOFILE": /^\d+$/,
  "Service.LimitMEMLOCK": /^(\d+|infinity)$/,
  "Service.LimitCORE": /^\d+$/,
  "Service.UMask": /^0\d{3}$/,
  "Service.StandardInput": /^(null|tty|socket)$/,
  "Service.StandardOutput": /^(inherit|null|tty|journal|syslog|kmsg)$/,
  "Service.StandardError": /^(inherit|null|tty|journal|syslog|kmsg)$/,
  "Service.CapabilityBoundingSet": /^(CAP_[A-Z_]+ ?)*$/,
  "Service.NoNewPrivileges": /^yes$/,
  "Service.RestrictAddressFamilies": /^(AF_[A-Z0-9]+ ?)+$/,
  "Service.SystemCallArchitectures": /^native$/,
  "Service.PrivateTmp": /^yes$/,
  "Service.PrivateDevices": /^yes$/,
  // "strict" is of 232.
  "Service.ProtectSystem": /^(yes|full)$/,
  // "tmpfs" is of 238.
  "Service.ProtectHome": /^(yes|read-only)$/,
  // "ReadWritePaths" and "ReadOnlyPaths" are of 231.
  "Service.ReadWriteDirectories": /^-?\//,
  "Service.ReadOnlyDirectories": /^-?\//,
  "Socket.ListenStream": /^\//,
  "Socket.SocketMode": /^0\d{3}$/,
  "Socket.DirectoryMode": /^0\d{3}$/,
  "Install.WantedBy": /^[\w.-]+$/,
  "Install.Also": /^[\w.-]+$/,
};

/** Section, directive and value of each line. */
function directives(text: string): readonly (readonly [name: string, value: string])[] {
  let section = "";
  return text.split("\n").flatMap((line): [string, string][] => {
    section = /^\[(\w+)\]$/.exec(line)?.[1] ?? section;
    const [, name, value = ""] = /^(\w+)=(.*)$/.exec(line) ?? [];
    return name === undefined ? [] : [[`${section}.${name}`, value]];
  });
}

const units = globSync(join(root, "systemd/*"));

describe("units", () => {
  for (const file of units)
    test(`systemd 219 understands every line of ${basename(file)}`, () => {
      const found = directives(readFileSync(file, "utf8"));
      assert.ok(found.length > 4);
      for (const [name, value] of found) {
        const expected = KNOWN[name];
        assert.ok(expected !== undefined, `${name} is not among the directives known to be in systemd 219`);
        assert.match(value, expected, `${name}=${value}`);
      }
    });

  test("the daemon stops before the toolstack, the storage's daemons and the network", () => {
    const text = readFileSync(join(root, "systemd/tandemd.service"), "utf8");
    const after = directives(text).flatMap(([name, value]) => (name === "Unit.After" ? value.split(" ") : []));
    // target.service empties the kernel's target when it stops.
    const later = ["network.target", "xcp-networkd.service", "openvswitch.service", "xapi.service", "target.service"];
    for (const unit of later) assert.ok(after.includes(unit), unit);
  });

  test("nothing starts DRBD or an iSCSI target but the daemon", () => {
    for (const file of units) {
      const wanted = directives(readFileSync(file, "utf8")).filter(([name]) => /^Unit\.(Wants|Requires)$/.test(name));
      for (const [, value] of wanted) assert.doesNotMatch(value, /drbd|tgt|target\.service|iscsi/);
    }
  });
});
