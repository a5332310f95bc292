// CRC-32 (IEEE 802.3, reflected) as node:zlib has it. Not asked from there: for this one sum that module brings its streams and
// ZIP archives into the daemon before its first heartbeat, half a megabyte.

const POLYNOMIAL = 0xedb88320;

/** What eight shifts make of each byte. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ POLYNOMIAL : sum >>> 1;
  return sum;
});

/** Of the text in UTF-8; 0 to 2^32 - 1. */
export function crc32(text: string): number {
  let sum = 0xffffffff;
  for (const byte of Buffer.from(text)) sum = (sum >>> 8) ^ (TABLE[(sum ^ byte) & 0xff] ?? 0);
  return (sum ^ 0xffffffff) >>> 0;
}
