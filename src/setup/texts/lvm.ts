// lvm.conf: the disk under DRBD and DRBD's device must not be scanned (their volume groups are read through iSCSI alone),
// and no cache of devices may outlive a failover. Pure text work; what others wrote there stays.

export const LVM_CONFS = ["/etc/lvm/lvm.conf", "/etc/lvm/master/lvm.conf"] as const;
export const LVM_CACHES = ["/etc/lvm/cache/.cache", "/etc/lvm/master/cache/.cache"] as const;

/** Every name under which the two devices are known to udev. */
export interface LvmNames {
  readonly drbdDevice: string;
  /** /dev/disk/by-… and the like. */
  readonly stable: readonly string[];
  /** /dev/sdb: another device may bear this name after the next boot. */
  readonly kernelName: string;
}

interface Entry {
  readonly accept: boolean;
  readonly pattern: RegExp | null;
}

interface List {
  /** Offset of the first character after "[". */
  readonly at: number;
  readonly entries: readonly Entry[];
}

/** Active assignments only; LVM itself takes the last one of a name, there is one in practice. */
function findLists(text: string): readonly List[] {
  const lists: List[] = [];
  for (const found of text.matchAll(/^[ \t]*(?:global_)?filter[ \t]*=[ \t]*\[/gm)) {
    const at = found.index + found[0].length;
    const end = endOfList(text, at);
    const quoted = [...text.slice(at, end).matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, one = ""]) => one);
    lists.push({ at, entries: quoted.map(readEntry) });
  }
  return lists;
}

/** A pattern may hold a bracket. */
function endOfList(text: string, from: number): number {
  let quoted = false;
  for (let i = from; i < text.length; i++) {
    const letter = text[i];
    if (quoted && letter === "\\") i++;
    else if (letter === '"') quoted = !quoted;
    else if (letter === "]" && !quoted) return i;
  }
  return text.length;
}

/** `r|pattern|`: the letter, a delimiter, the expression, the delimiter. */
function readEntry(text: string): Entry {
  const [letter = "", delimiter = ""] = text;
  const end = text.lastIndexOf(delimiter);
  const body = text.slice(2, end > 1 ? end : text.length).replaceAll("\\\\", "\\");
  try {
    return { accept: letter === "a", pattern: new RegExp(body) };
  } catch {
    return { accept: letter === "a", pattern: null };
  }
}

/** lvm.conf(5): a device is taken when any of its names meets an "a" first, refused when one meets an "r", else taken. */
function rejects(entries: readonly Entry[], names: readonly string[]): boolean {
  const verdicts = names.map((name) => entries.find(({ pattern }) => pattern?.test(name) === true)?.accept);
  return !verdicts.includes(true) && verdicts.includes(false);
}

const allNames = ({ stable, kernelName }: LvmNames): readonly string[] => [...stable, kernelName];

/** Why LVM would read what it must not, in words; empty when all is well. */
export function lvmFaults(text: string, names: LvmNames): readonly string[] {
  const faults: string[] = [];
  const lists = findLists(text);
  if (!lists.some(({ entries }) => rejects(entries, [names.drbdDevice])))
    faults.push(`the filter lets ${names.drbdDevice} through`);
  if (!lists.some(({ entries }) => rejects(entries, allNames(names))))
    faults.push(`the filter lets ${names.stable[0] ?? names.kernelName} through`);
  if (!/^[ \t]*write_cache_state[ \t]*=[ \t]*0\b/m.test(text)) faults.push("write_cache_state is not 0");
  return faults;
}

const escaped = (name: string): string => name.replaceAll(/[.+*?^$()[\]{}]/g, "[$&]");
const reject = (expression: string): string => `"r|^${expression}|"`;

/** The same text where nothing is to be done. */
export function editLvm(text: string, names: LvmNames): string {
  if (lvmFaults(text, names).length === 0) return text;
  const lists = findLists(text);
  const someAccept = lists.some(({ entries }) => entries.some(({ accept }) => accept));
  // A name such as /dev/sdb may be the iSCSI disk after the next boot: it is refused only where it has to be.
  const needsKernelName = names.stable.length === 0 || someAccept;
  const wanted = [
    reject("/dev/drbd.*"),
    ...names.stable.map((name) => reject(`${escaped(name)}$`)),
    ...(needsKernelName ? [reject(`${escaped(names.kernelName)}$`)] : []),
  ];
  return withCacheOff(
    lists.length > 0 ? withFilters(text, lists, wanted, names) : withLine(text, `filter = [ ${wanted.join(", ")} ]`),
  );
}

function withFilters(text: string, lists: readonly List[], wanted: readonly string[], names: LvmNames): string {
  const lacking = lists.filter(
    ({ entries }) => !rejects(entries, [names.drbdDevice]) || !rejects(entries, allNames(names)),
  );
  // From the end, so that the offsets of the earlier ones stay right.
  return lacking.toReversed().reduce((done, { at, entries }) => {
    const list = ` ${wanted.join(", ")}${entries.length > 0 ? "," : ""}`;
    return done.slice(0, at) + list + done.slice(at);
  }, text);
}

function withCacheOff(text: string): string {
  const active = /^([ \t]*write_cache_state[ \t]*=[ \t]*)[0-9]+/m;
  return active.test(text) ? text.replace(active, "$10") : withLine(text, "write_cache_state = 0");
}

/** Into the section `devices`. */
function withLine(text: string, line: string): string {
  const section = /^[ \t]*devices[ \t]*\{[ \t]*$/m.exec(text);
  if (section === null) return `${text}${text.endsWith("\n") || text === "" ? "" : "\n"}devices {\n    ${line}\n}\n`;
  const at = section.index + section[0].length;
  return `${text.slice(0, at)}\n    ${line}${text.slice(at)}`;
}
