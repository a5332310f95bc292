// The bytes of iSCSI (RFC 7143): headers, login text and cutting a TCP stream into PDUs.
// Must never touch a socket or decide what is sent next: session.ts does.

export const HEADER_BYTES = 48;
export const NO_TAG = 0xffffffff;

/** Opcodes; the immediate bit (0x40) is part of the request opcodes that we only send as immediate. */
export const opcode = {
  nopOut: 0x40,
  scsiCommand: 0x01,
  login: 0x43,
  dataOut: 0x05,
  logout: 0x46,
  nopIn: 0x20,
  scsiResponse: 0x21,
  loginResponse: 0x23,
  dataIn: 0x25,
  logoutResponse: 0x26,
  readyToTransfer: 0x31,
  asyncMessage: 0x32,
  reject: 0x3f,
} as const;

export type LoginKeys = Readonly<Record<string, string>>;

export const padded = (bytes: number): number => (bytes + 3) & ~3;

/** Text of a login PDU: key=value, each ended by a zero byte. */
export function formatKeys(keys: LoginKeys): Buffer {
  return Buffer.from(
    Object.entries(keys)
      .map(([key, value]) => `${key}=${value}\0`)
      .join(""),
  );
}

export function parseKeys(text: Buffer): Map<string, string> {
  const keys = new Map<string, string>();
  for (const pair of text.toString("latin1").split("\0")) {
    const at = pair.indexOf("=");
    if (at > 0) keys.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return keys;
}

/** Only the single-level LUN form up to 255 is needed here (SAM-5, peripheral device addressing). */
export function putLun(header: Buffer, lun: number): void {
  header.fill(0, 8, 16);
  header[9] = lun;
}

export function putDataLength(header: Buffer, bytes: number): void {
  header.writeUIntBE(bytes, 5, 3);
}

export const dataLength = (header: Buffer): number => header.readUIntBE(5, 3);

/** Serial number comparison of RFC 1982 as RFC 7143 asks for CmdSN and StatSN: is `a` at most `b`? */
export const serialAtMost = (a: number, b: number): boolean => ((b - a) | 0) >= 0;

export interface PduReader {
  /** Cuts `chunk` into PDUs; header and data are only valid during the call. False when the stream is not iSCSI. */
  feed(chunk: Buffer): boolean;
}

/** `maxDataBytes` is what we declared as MaxRecvDataSegmentLength: more than that is a broken peer, never a reason to grow. */
export function createPduReader(maxDataBytes: number, onPdu: (header: Buffer, data: Buffer) => void): PduReader {
  const held = Buffer.allocUnsafe(HEADER_BYTES + 255 * 4 + padded(maxDataBytes));
  let heldBytes = 0;

  const sizeOf = (at: Buffer): number => HEADER_BYTES + (at[4] ?? 0) * 4 + padded(dataLength(at));
  const emit = (pdu: Buffer): void => {
    const from = HEADER_BYTES + (pdu[4] ?? 0) * 4;
    onPdu(pdu.subarray(0, HEADER_BYTES), pdu.subarray(from, from + dataLength(pdu)));
  };

  return {
    feed(chunk) {
      let at = 0;
      while (at < chunk.length) {
        if (heldBytes === 0 && chunk.length - at >= HEADER_BYTES) {
          const rest = chunk.subarray(at);
          const size = sizeOf(rest);
          if (size > held.length) return false;
          if (rest.length >= size) {
            emit(rest.subarray(0, size));
            at += size;
            continue;
          }
        }
        const wanted = heldBytes < HEADER_BYTES ? HEADER_BYTES : sizeOf(held);
        if (wanted > held.length) return false;
        const taken = Math.min(wanted - heldBytes, chunk.length - at);
        chunk.copy(held, heldBytes, at, at + taken);
        heldBytes += taken;
        at += taken;
        if (heldBytes >= HEADER_BYTES && sizeOf(held) > held.length) return false;
        if (heldBytes >= HEADER_BYTES && heldBytes === sizeOf(held)) {
          heldBytes = 0;
          emit(held.subarray(0, sizeOf(held)));
        }
      }
      return true;
    },
  };
}
