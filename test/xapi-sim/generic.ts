/** The calls every class has by its fields: get_all, get_record, get_<field>, set_<field>, add_to_<field> and so on. */
import { action, query, type Method } from "./method.ts";
import { parseWhere } from "./where.ts";
import { CLASS_NAMES, type ClassName, fieldsOf } from "./schema.ts";
import { asText, fail, type Json } from "./types.ts";

/** Fields with a set_ call of their own in the data model although they are not marked writable. */
const SETTABLE: Readonly<Partial<Record<ClassName, readonly string[]>>> = {
  VM: [
    "order",
    "start_delay",
    "shutdown_delay",
    "appliance",
    "is_a_template",
    "suspend_VDI",
    "domain_type",
    "VCPUs_max",
  ],
  VDI: ["name_label", "name_description", "sharable", "read_only"],
  SR: ["name_label", "name_description", "shared"],
  host: ["name_label", "hostname", "iscsi_iqn"],
  PBD: ["device_config"],
};

const NO_LISTS: readonly ClassName[] = ["session"];
/** Classes without a get_ call per field. */
const NO_GETTERS: readonly ClassName[] = ["message"];
const NOT_ASYNC: readonly ClassName[] = ["session", "task"];

const checkRef = (cls: ClassName, type: string, value: Json): void => {
  if (type === "i" && cls === "VM" && typeof value === "number" && value < 0)
    fail("VALUE_NOT_SUPPORTED", cls, String(value));
};

const fieldMethods = (cls: ClassName): Record<string, Method> => {
  const methods: Record<string, Method> = {};
  for (const field of fieldsOf(cls)) {
    const { name, type } = field;
    if (!NO_GETTERS.includes(cls))
      methods[`get_${name}`] = query([`@${cls}`], ({ xapi }, [ref]) => xapi.db.record(cls, asText(ref))[name] ?? "");
    if (!field.writable && SETTABLE[cls]?.includes(name) !== true) continue;
    methods[`set_${name}`] = action([`@${cls}`, type], ({ xapi }, [ref, value = ""]) => {
      checkRef(cls, type, value);
      xapi.db.set(cls, asText(ref), { [name]: value });
    });
    if (type.startsWith("{") && field.writable) {
      methods[`add_to_${name}`] = action([`@${cls}`, "s", "s"], ({ xapi }, [ref, key, value = ""]) => {
        xapi.db.addKey(cls, asText(ref), name, asText(key), value);
      });
      methods[`remove_from_${name}`] = action([`@${cls}`, "s"], ({ xapi }, [ref, key]) => {
        xapi.db.removeKey(cls, asText(ref), name, asText(key));
      });
    }
    if (type === "[s]") {
      const list = (xapi: { db: { get(c: ClassName, r: string, f: string): Json } }, ref: string): Json[] => {
        const value = xapi.db.get(cls, ref, name);
        return Array.isArray(value) ? value : [];
      };
      methods[`add_${name}`] = action([`@${cls}`, "s"], ({ xapi }, [ref, value = ""]) => {
        const rest = list(xapi, asText(ref)).filter((item) => item !== value);
        xapi.db.set(cls, asText(ref), { [name]: [...rest, value] });
      });
      methods[`remove_${name}`] = action([`@${cls}`, "s"], ({ xapi }, [ref, value = ""]) => {
        xapi.db.set(cls, asText(ref), { [name]: list(xapi, asText(ref)).filter((item) => item !== value) });
      });
    }
  }
  return methods;
};

const classMethods = (cls: ClassName): Record<string, Method> => {
  const records = (db: { refs(c: ClassName): string[]; record(c: ClassName, r: string): Record<string, Json> }) =>
    Object.fromEntries(db.refs(cls).map((ref) => [ref, db.record(cls, ref)]));
  const methods: Record<string, Method> = {
    get_record: query([`@${cls}`], ({ xapi }, [ref]) => xapi.db.record(cls, asText(ref))),
    get_by_uuid: query(["s"], ({ xapi }, [uuid]) => {
      return xapi.db.byUuid(cls, asText(uuid)) ?? fail("UUID_INVALID", cls, asText(uuid));
    }),
    ...fieldMethods(cls),
  };
  if (!NO_LISTS.includes(cls)) {
    methods["get_all"] = query([], ({ xapi }) => xapi.db.refs(cls));
    methods["get_all_records"] = query([], ({ xapi }) => records(xapi.db));
    methods["get_all_records_where"] = query(
      ["s"],
      ({ xapi }, [text]) => {
        const matches = parseWhere(asText(text));
        return Object.fromEntries(Object.entries(records(xapi.db)).filter(([, record]) => matches(record)));
      },
      {},
    );
  }
  if (cls !== "pool" && fieldsOf(cls).some((field) => field.name === "name_label")) {
    methods["get_by_name_label"] = query(["s"], ({ xapi }, [label]) => {
      return xapi.db.refs(cls).filter((ref) => xapi.db.get(cls, ref, "name_label") === label);
    });
  }
  return methods;
};

export const genericMethods = (): Record<string, Method> =>
  Object.fromEntries(
    CLASS_NAMES.flatMap((cls) =>
      Object.entries(classMethods(cls)).map(([name, method]) => [
        `${cls}.${name}`,
        { ...method, noAsync: true, ...(NOT_ASYNC.includes(cls) ? { noAsync: true } : {}) },
      ]),
    ),
  );
