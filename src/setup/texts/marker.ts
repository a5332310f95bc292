// The line by which a file is known as ours: what carries it may be replaced, what does not is somebody else's.

export const MARKER = "# Written by iscsi-cfg setup; it replaces this file when it is run again.";

export const isOurs = (text: string): boolean => text.startsWith(MARKER);
