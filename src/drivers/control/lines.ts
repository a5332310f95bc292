// Cuts a byte stream into lines with a size limit. Knows nothing of JSON; never holds more than one line beyond the limit.

/** A request is small; a status document with many VMs and events is not. */
export const requestLimitBytes = 64 * 1024;
export const replyLimitBytes = 4 * 1024 * 1024;

export type LineReader = (chunk: Buffer | string) => { readonly lines: readonly string[]; readonly overflow: boolean };

/**
 * Returns the complete lines of each chunk. `overflow` is true once a line passes `limitBytes`; the reader is then
 * spent and the caller must hang up, because nobody knows where the next line starts.
 */
export function createLineReader(limitBytes: number): LineReader {
  let held: Buffer[] = [];
  let heldBytes = 0;
  return (received) => {
    const chunk = typeof received === "string" ? Buffer.from(received) : received;
    const lines: string[] = [];
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(0x0a, from);
      const piece = end === -1 ? chunk.subarray(from) : chunk.subarray(from, end);
      if (heldBytes + piece.length > limitBytes) {
        held = [];
        heldBytes = 0;
        return { lines, overflow: true };
      }
      if (end === -1) {
        if (piece.length > 0) held.push(piece);
        heldBytes += piece.length;
        return { lines, overflow: false };
      }
      lines.push(Buffer.concat([...held, piece]).toString("utf8"));
      held = [];
      heldBytes = 0;
      from = end + 1;
    }
  };
}
