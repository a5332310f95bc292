/**
 * Loopback addresses that no other test process uses: the kernel owns all of 127.0.0.0/8, and the process id picks the
 * network, so that two test files which run at once can listen on the same port.
 */
const network = `127.${1 + ((process.pid >> 8) & 0x7f)}.${process.pid & 0xff}`;

export const FIRST = `${network}.11`;
export const SECOND = `${network}.12`;
