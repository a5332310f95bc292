/** Reads the field table into typed fields and gives each class its default record. Never touches a database. */
import { DEFAULTS } from "./schema-defaults.ts";
import { FIELD_TABLE } from "./schema-table.ts";
import type { Json, Rec } from "./types.ts";

export type ClassName = keyof typeof FIELD_TABLE;

export interface Field {
  readonly name: string;
  readonly type: string;
  readonly writable: boolean;
}

export const NULL_REF = "OpaqueRef:NULL";
export const EPOCH = "19700101T00:00:00Z";

const parseTable = (table: string): Field[] =>
  table
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => {
      const colon = word.indexOf(":");
      const writable = word.endsWith("*");
      return { name: word.slice(0, colon), type: word.slice(colon + 1, writable ? -1 : undefined), writable };
    });

export const CLASS_NAMES = Object.keys(FIELD_TABLE) as ClassName[];

const FIELDS = new Map<string, readonly Field[]>(CLASS_NAMES.map((cls) => [cls, parseTable(FIELD_TABLE[cls])]));
const BY_LOWER_NAME = new Map<string, ClassName>(CLASS_NAMES.map((cls) => [cls.toLowerCase(), cls]));
const FLOATS = new Set(
  [...FIELDS.values()]
    .flat()
    .filter((field) => field.type === "f")
    .map((field) => field.name),
);

/** The class with this name in any case (events name classes in lower case), or undefined. */
export const findClass = (name: string): ClassName | undefined => BY_LOWER_NAME.get(name.toLowerCase());

export const fieldsOf = (cls: ClassName): readonly Field[] => FIELDS.get(cls) ?? [];

/** XML-RPC must write a whole-numbered float as a double: the value alone does not tell. */
export const isFloatField = (name: string): boolean => FLOATS.has(name);

const emptyOf = (type: string): Json => {
  switch (type[0]) {
    case "i":
    case "f":
      return 0;
    case "b":
      return false;
    case "d":
      return EPOCH;
    case "@":
      return NULL_REF;
    case "[":
      return [];
    case "{":
      return {};
    default:
      return "";
  }
};

/** A full record of the class: empty values, then the class's usual values, then `given`. */
export const makeRecord = (cls: ClassName, given: Rec): Rec => {
  const record: Rec = {};
  for (const field of fieldsOf(cls)) record[field.name] = emptyOf(field.type);
  return { ...record, ...structuredClone(DEFAULTS[cls] ?? {}), ...given };
};

/** Fields that are the other end of a reference: [class, set field, child class, child's reference field]. */
export const RELATIONS: readonly (readonly [ClassName, string, ClassName, string])[] = [
  ["host", "resident_VMs", "VM", "resident_on"],
  ["host", "PBDs", "PBD", "host"],
  ["host", "PIFs", "PIF", "host"],
  ["host", "certificates", "Certificate", "host"],
  ["SR", "PBDs", "PBD", "SR"],
  ["SR", "VDIs", "VDI", "SR"],
  ["VDI", "VBDs", "VBD", "VDI"],
  ["VM", "VBDs", "VBD", "VM"],
  ["VM", "VIFs", "VIF", "VM"],
  ["VM_appliance", "VMs", "VM", "appliance"],
  ["network", "PIFs", "PIF", "network"],
  ["network", "VIFs", "VIF", "network"],
];

/** Fields a restart of the master forgets, with the value they come back with. */
export const VOLATILE_CLASSES: readonly ClassName[] = ["session", "task"];
