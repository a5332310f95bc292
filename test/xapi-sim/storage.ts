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

/** SRs without a "target" in their device_config always attach; others need their portal to accept a connection. */
export const createPortalStorage = (): Storage => ({
  attach: (target) => requirePortal(target, "SR_BACKEND_FAILURE_68"),
  detach: async () => undefined,
  scan: (target) => requirePortal(target, "SR_BACKEND_FAILURE_40"),
});
