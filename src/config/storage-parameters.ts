// The table of the parameters in the storage section of the local file.

import {
  FLAG,
  integer,
  MAIL_ADDRESSES,
  ONE_LINE,
  parameter,
  seconds,
  text,
  type Options,
  type Parameter,
} from "./parameter.ts";
import type { ValueType } from "./value.ts";

const storage = (
  name: string,
  initial: string | null,
  type: ValueType,
  summary: string,
  options: Options = {},
): Parameter => parameter("storage", "storage", name, initial, type, summary, options);

const IQN =
  /^(iqn\.[0-9]{4}-(0[1-9]|1[0-2])\.[a-z0-9][a-z0-9.-]*(:[^\s",]+)?|eui\.[0-9A-F]{16}|naa\.([0-9A-F]{16}|[0-9A-F]{32}))$/;
const ADDRESS = /^[0-9A-Fa-f.:]{2,45}$/;

/** Of iSCSI-HA's loop, which there is none of. */
const EVENT_DRIVEN: Options = {
  deprecated: "DRBD, the target and the links tell of changes; every other look has a fixed period and a deadline",
};

export const STORAGE_PARAMETERS: readonly Parameter[] = [
  storage(
    "DRBD_RESOURCES",
    null,
    { kind: "list", item: "resource", separator: ":" },
    "DRBD resources that follow the pool master",
  ),
  storage("DRBD_VIRTUAL_IP", null, text(ADDRESS, "an IPv4 or IPv6 address"), "floating IP of the iSCSI target"),
  storage(
    "DRBD_VIRTUAL_MASK",
    "",
    text(/^$|^[0-9.]{1,15}$/, "a netmask such as 255.255.255.0, a prefix length, or nothing"),
    "network the floating IP lies in",
  ),
  storage(
    "DRBD_INTERFACE",
    null,
    text(/^[A-Za-z0-9_.:@-]{1,15}$/, "a network device"),
    "device that carries replication and floating IP",
  ),
  storage(
    "ISCSI_TARGET_SERVICE",
    "tgtd",
    text(/^(\/[A-Za-z0-9_./-]+|[A-Za-z0-9_.@-]{1,64})$/, "a unit or an init script"),
    "the iSCSI target service",
  ),
  storage("TARGET_BACKEND", "tgtd", text(/^(tgtd|lio)$/, "tgtd or lio"), "tgtd, or the kernel's own target (lio)", {
    restart: true,
  }),
  storage(
    "TARGET_IQN",
    null,
    text(IQN, "an iSCSI name such as iqn.2026-11.org.example:store1"),
    "name of the iSCSI target; never change it",
  ),
  storage("TARGET_PORT", "3260", integer(1, 65_535), "TCP port on the floating IP"),
  storage(
    "TARGET_INITIATORS",
    "ALL",
    { kind: "list", item: "initiator", separator: "," },
    "who may log in: ALL, addresses or networks",
  ),
  // 694 (ha-cluster) belongs to xhad and is privileged; 7694 is free, unprivileged, away from DRBD's 7788 and up,
  // and below the ephemeral range (32768), so that no outgoing connection can sit on it.
  storage("PEER_PORT", "7694", integer(1024, 32_767), "UDP and TCP port of the peer link on both networks", {
    restart: true,
  }),
  storage(
    "WATCHDOG_DEVICE",
    "/dev/watchdog",
    text(/^$|^\(\)$|^\/[A-Za-z0-9_./-]+$/, "a device path, or () for none"),
    "watchdog; without one HA cannot be enabled",
    { restart: true },
  ),
  storage(
    "WITNESS_KEY_FILE",
    "/etc/tandem/witness.key",
    text(/^\/[A-Za-z0-9_./-]+$/, "an absolute path"),
    "the key that the hosts share with the witness (WITNESS)",
    { restart: true },
  ),
  storage("MONITOR_DELAY", "10", seconds(1, 3600), "no effect", EVENT_DRIVEN),
  storage("MONITOR_MAX_STARTS", "5", integer(1, 10_000), "no effect", EVENT_DRIVEN),
  storage("MONITOR_KILLALL", "1", FLAG, "no effect", EVENT_DRIVEN),
  storage("MONITOR_SCANRATE", "5", seconds(1, 3600), "no effect", EVENT_DRIVEN),
  storage("ENABLE_LOGGING", "1", FLAG, "write the log of the storage part"),
  storage("MAIL_USE_SHARED_PARAMS", "1", FLAG, "use the mail parameters of the pool"),
  storage("MAIL_ON", "1", FLAG, "send e-mail (MAIL_USE_SHARED_PARAMS=0)"),
  storage("MAIL_FROM", "root@localhost", text(MAIL_ADDRESSES, "a mail address"), "sender (MAIL_USE_SHARED_PARAMS=0)"),
  storage(
    "MAIL_TO",
    "root@localhost",
    text(MAIL_ADDRESSES, "mail addresses separated by commas"),
    "receivers (MAIL_USE_SHARED_PARAMS=0)",
  ),
  storage(
    "MAIL_SUBJECT",
    "SYSTEM_ALERT-FROM_HOST:$HOSTNAME",
    text(ONE_LINE, "one line of text"),
    "subject (MAIL_USE_SHARED_PARAMS=0)",
  ),
];
