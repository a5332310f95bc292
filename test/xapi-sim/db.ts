/**
 * The pool database: records by class and reference, a generation that grows with every change, and its copy on
 * disk. Must never decide anything about hosts or VMs, and never write a half file: power may go at any moment.
 */
import { randomUUID, createHash } from "node:crypto";
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { EventEmitter } from "node:events";
import { dirname } from "node:path";
import { CLASS_NAMES, type ClassName, fieldsOf, makeRecord, NULL_REF, RELATIONS, VOLATILE_CLASSES } from "./schema.ts";
import { asRec, asText, fail, type Json, type Rec } from "./types.ts";

interface Row {
  created: number;
  changed: number;
  record: Rec;
}

/** A deletion, kept so that event.from can tell it. */
interface Deletion {
  readonly generation: number;
  readonly cls: ClassName;
  readonly ref: string;
}

export interface Dump {
  readonly generation: number;
  readonly classes: Readonly<Record<string, Readonly<Record<string, Row>>>>;
}

const DELETIONS_KEPT = 2000;

export const freshRef = (): string => `OpaqueRef:${randomUUID()}`;

/** The same reference on every host for the same seed entry, so that two hosts seeded apart hold one pool. */
export const refFor = (cls: string, uuid: string): string => {
  const hex = createHash("sha1").update(`${cls}/${uuid}`).digest("hex");
  return `OpaqueRef:${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
};

export class Database {
  generation = 1;
  readonly deletions: Deletion[] = [];
  /** "change" after every write. */
  readonly events = new EventEmitter();
  #classes = new Map<ClassName, Map<string, Row>>(CLASS_NAMES.map((cls) => [cls, new Map<string, Row>()]));
  /** Adds what is computed rather than stored, for example allowed_operations. */
  derive: (cls: ClassName, ref: string, record: Rec) => void = () => undefined;

  constructor() {
    this.events.setMaxListeners(0);
  }

  #rows(cls: ClassName): Map<string, Row> {
    const rows = this.#classes.get(cls);
    if (!rows) throw new Error(`Cannot find class "${cls}": it is not in the field table`);
    return rows;
  }

  refs(cls: ClassName): string[] {
    return [...this.#rows(cls).keys()];
  }

  has(cls: ClassName, ref: string): boolean {
    return this.#rows(cls).has(ref);
  }

  #row(cls: ClassName, ref: string): Row {
    return this.#rows(cls).get(ref) ?? fail("HANDLE_INVALID", cls, ref);
  }

  /** One stored field, without the computed ones. Throws HANDLE_INVALID. */
  get(cls: ClassName, ref: string, field: string): Json {
    return this.#row(cls, ref).record[field] ?? null;
  }

  text(cls: ClassName, ref: string, field: string): string {
    return asText(this.get(cls, ref, field));
  }

  /** References of `cls` whose reference field points at `target`. */
  pointingAt(cls: ClassName, field: string, target: string): string[] {
    return [...this.#rows(cls)].filter(([, row]) => row.record[field] === target).map(([ref]) => ref);
  }

  /** The whole record as a client sees it, as a copy. Throws HANDLE_INVALID. */
  record(cls: ClassName, ref: string): Rec {
    const record = { ...this.#row(cls, ref).record };
    for (const [parent, set, child, field] of RELATIONS) {
      if (parent === cls) record[set] = this.pointingAt(child, field, ref);
    }
    this.derive(cls, ref, record);
    return record;
  }

  generations(cls: ClassName, ref: string): { created: number; changed: number } {
    const { created, changed } = this.#row(cls, ref);
    return { created, changed };
  }

  byUuid(cls: ClassName, uuid: string): string | undefined {
    for (const [ref, row] of this.#rows(cls)) if (row.record["uuid"] === uuid) return ref;
    return undefined;
  }

  create(cls: ClassName, given: Rec, ref: string = freshRef()): string {
    const record = makeRecord(cls, given);
    if (record["uuid"] === "" || record["uuid"] === undefined) record["uuid"] = randomUUID();
    this.generation += 1;
    this.#rows(cls).set(ref, { created: this.generation, changed: this.generation, record });
    for (const field of fieldsOf(cls)) this.#touchParent(cls, field.name, record[field.name] ?? null);
    this.events.emit("change");
    return ref;
  }

  set(cls: ClassName, ref: string, changes: Rec): void {
    const row = this.#row(cls, ref);
    this.generation += 1;
    row.changed = this.generation;
    for (const [field, value] of Object.entries(changes)) {
      const before = row.record[field] ?? null;
      row.record[field] = value;
      if (before !== value) {
        this.#touchParent(cls, field, before);
        this.#touchParent(cls, field, value);
      }
    }
    this.events.emit("change");
  }

  /** Changes nothing but makes watchers see the object again. */
  touch(cls: ClassName, ref: string): void {
    this.set(cls, ref, {});
  }

  addKey(cls: ClassName, ref: string, field: string, key: string, value: Json): void {
    const map = asRec(this.get(cls, ref, field));
    if (Object.hasOwn(map, key)) fail("MAP_DUPLICATE_KEY", cls, field, ref, key);
    this.set(cls, ref, { [field]: { ...map, [key]: value } });
  }

  removeKey(cls: ClassName, ref: string, field: string, key: string): void {
    const map = { ...asRec(this.get(cls, ref, field)) };
    if (!Object.hasOwn(map, key)) return;
    delete map[key];
    this.set(cls, ref, { [field]: map });
  }

  destroy(cls: ClassName, ref: string): void {
    const { record } = this.#row(cls, ref);
    this.#rows(cls).delete(ref);
    this.generation += 1;
    this.deletions.push({ generation: this.generation, cls, ref });
    if (this.deletions.length > DELETIONS_KEPT) this.deletions.shift();
    for (const field of fieldsOf(cls)) this.#touchParent(cls, field.name, record[field.name] ?? null);
    this.events.emit("change");
  }

  #touchParent(cls: ClassName, field: string, target: Json): void {
    if (typeof target !== "string" || target === NULL_REF) return;
    for (const [parent, , child, childField] of RELATIONS) {
      if (child !== cls || childField !== field) continue;
      const row = this.#rows(parent).get(target);
      if (row) row.changed = this.generation;
    }
  }

  /** What another host or the disk gets: everything but sessions, tasks and liveness. */
  dump(): Dump {
    const classes: Record<string, Record<string, Row>> = {};
    for (const cls of CLASS_NAMES) {
      if (!VOLATILE_CLASSES.includes(cls)) classes[cls] = structuredClone(Object.fromEntries(this.#rows(cls)));
    }
    for (const row of Object.values(classes["host"] ?? {})) row.record["enabled"] = false;
    for (const row of Object.values(classes["host_metrics"] ?? {})) row.record["live"] = false;
    for (const row of Object.values(classes["VM"] ?? {})) row.record["current_operations"] = {};
    return { generation: this.generation, classes };
  }

  load(dump: Dump): void {
    this.generation = dump.generation;
    this.deletions.length = 0;
    for (const cls of CLASS_NAMES) this.#classes.set(cls, new Map(Object.entries(dump.classes[cls] ?? {})));
    this.events.emit("change");
  }
}

/** Writes the whole copy beside the old one, syncs it and renames: a power cut leaves the old or the new one. */
export const writeDump = (path: string, dump: Dump): void => {
  mkdirSync(dirname(path), { recursive: true });
  const fresh = `${path}.new`;
  const file = openSync(fresh, "w", 0o600);
  try {
    writeSync(file, JSON.stringify(dump));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(fresh, path);
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
};

/** The copy on disk, or undefined when there is none. Throws when it cannot be read: that is a broken host. */
export const readDump = (path: string): Dump | undefined =>
  existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Dump) : undefined;
