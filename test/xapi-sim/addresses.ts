/**
 * Loopback addresses that no other test process uses: the kernel owns all of 127.0.0.0/8, and the process id picks the
 * network, so that two test files which run at once can listen on the same port.
 */
const network = `127.${1 + ((process.pid >> 8) & 0x7f)}.${process.pid & 0xff}`;

/** Of the nth host, from 0. */
export const addressOf = (index: number): string => `${network}.${11 + index}`;
export const FIRST = addressOf(0);
export const SECOND = addressOf(1);
