/** The port to a host's storage manager: attaching an SR. The default tries the portal of an iSCSI SR over TCP. */
import { connect } from "node:net";
import { asText, XapiFailure, type Rec } from "./types.ts";

export interface StorageTarget {
  readonly srUuid: string;
  readonly srType: string;
  readonly deviceConfig: Rec;
}

export interface Storage {
  /** Throws XapiFailure SR_BACKEND_FAILURE_<n>. Idempotent, as is detach. */
  attach(target: StorageTarget): Promise<void>;
  detach(target: StorageTarget): Promise<void>;
  scan(target: StorageTarget): Promise<void>;
  /** What SM's plugin lists: throws SR_BACKEND_FAILURE_107 with the LUNs while no SCSIid is given, as SM does. */
  probe(target: StorageTarget): Promise<string>;
}

const CONNECT_MS = 5000;

const reach = (host: string, port: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_MS });
    const end = (reason?: string): void => {
      socket.destroy();
      resolve(reason);
    };
    socket.on("connect", () => end());
    socket.on("timeout", () => end("connection timed out"));
    socket.on("error", (error) => end(error.message));
  });

const requirePortal = async (target: StorageTarget, code: string): Promise<void> => {
  const host = asText(target.deviceConfig["target"]);
  if (host === "") return;
  const reason = await reach(host, Number(asText(target.deviceConfig["port"]) || "3260"));
  if (reason !== undefined) {
    throw new XapiFailure(code, "", `ISCSI login failed, verify CHAP credentials [opterr=${reason}]`, "");
  }
};

/** As SM prints it for the one LUN of a lab's target. */
const lunList = (lun: number): string =>
  `<?xml version="1.0" ?><iscsi-target><LUN><vendor>IET</vendor><serial/><LUNid>${lun}</LUNid><size>0</size><SCSIid>1IET_000a${lun}</SCSIid></LUN></iscsi-target>`;

/** SM's probe of a target that can be reached: the LUNs while no SCSIid is given, then the SRs on that LUN, of which none is. */
export const probeTarget = (target: StorageTarget, lun: number): string => {
  if (asText(target.deviceConfig["SCSIid"]) !== "") return '<?xml version="1.0" ?><SRlist></SRlist>';
  throw new XapiFailure("SR_BACKEND_FAILURE_107", "", "The SCSIid parameter is missing or incorrect", lunList(lun));
};

/** SRs without a "target" in their device_config always attach; others need their portal to accept a connection. */
export const createPortalStorage = (lun = 10): Storage => ({
  attach: (target) => requirePortal(target, "SR_BACKEND_FAILURE_68"),
  detach: async () => undefined,
  scan: (target) => requirePortal(target, "SR_BACKEND_FAILURE_40"),
  async probe(target) {
    await requirePortal(target, "SR_BACKEND_FAILURE_141");
    return probeTarget(target, lun);
  },
});
