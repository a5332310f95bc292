// The few parts of the iSCSI protocol (RFC 7143) that the daemon needs to ask its own target. Pure.

export const headerLength = 48;

export interface Pdu {
  readonly header: Buffer;
  readonly data: Buffer;
}

/** The first PDU of `bytes` and its whole length, or null while bytes are missing. */
export function cutPdu(bytes: Buffer): (Pdu & { readonly length: number }) | null {
  if (bytes.length < headerLength) return null;
  const dataLength = bytes.readUIntBE(5, 3);
  const length = headerLength + dataLength + padding(dataLength);
  if (bytes.length < length) return null;
  const data = bytes.subarray(headerLength, headerLength + dataLength);
  return { header: bytes.subarray(0, headerLength), data, length };
}

/** More rounds than this is a target that does not come to an end. */
export const LOGIN_ROUNDS = 4;

/**
 * The keys of a first login request. Those of the session are all offered, at the target's own terms: the kernel's target
 * would otherwise offer them itself and not let go before they were answered.
 */
export const loginKeys = (initiator: string, iqn: string): readonly string[] => [
  `InitiatorName=${initiator}`,
  `TargetName=${iqn}`,
  "SessionType=Normal",
  "HeaderDigest=None",
  "DataDigest=None",
  "MaxConnections=1",
  "InitialR2T=Yes",
  "ImmediateData=Yes",
  "MaxRecvDataSegmentLength=8192",
  "MaxBurstLength=262144",
  "FirstBurstLength=65536",
  "DefaultTime2Wait=0",
  "DefaultTime2Retain=0",
  "MaxOutstandingR2T=1",
  "DataPDUInOrder=Yes",
  "DataSequenceInOrder=Yes",
  "ErrorRecoveryLevel=0",
];

/**
 * RFC 7143 11.12, straight from operational negotiation (CSG 1) to full feature (NSG 3): no authentication on loopback.
 * `session` is one of this process's own, the same in all requests of a login.
 */
export function loginRequest(keys: readonly string[], session: number, expected: number): Buffer {
  const data = Buffer.from(keys.map((key) => `${key}\0`).join(""), "latin1");
  const header = Buffer.alloc(headerLength);
  header[0] = 0x43;
  header[1] = 0x87;
  header.writeUIntBE(data.length, 5, 3);
  // ISID of the random type; sessions of one initiator name must differ in it, or the newer one ends the older.
  header.writeUIntBE(0x8000_0000_0000 + (process.pid & 0xff_ffff) * 0x1_0000 + (session & 0xffff), 8, 6);
  header.writeUInt32BE(1, 16);
  header.writeUInt32BE(1, 24);
  header.writeUInt32BE(expected, 28);
  return Buffer.concat([header, data, Buffer.alloc(padding(data.length))]);
}

const padding = (length: number) => (4 - (length % 4)) % 4;
