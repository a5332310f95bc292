// Shapes that several messages share. Pure. In zod's small form, as all messages: the methods of the other one cost the
// brain's thread 2.5 MB and a part of its start.

import * as z from "zod/mini";

/** UUIDs and resource names. `__proto__` has the form of a name but must never become a key of an object. */
export const nameShape = z.string().check(
  z.regex(/^[A-Za-z0-9_.:-]{1,64}$/),
  z.refine((name) => name !== "__proto__"),
);
/** 128 random bits per boot, in hexadecimal without dashes. */
export const bootIdShape = z.string().check(z.regex(/^[0-9a-f]{32}$/));
export const nonceShape = z.string().check(z.regex(/^[0-9a-f]{32}$/));
export const counterShape = z.number().check(z.int(), z.gte(0), z.lte(Number.MAX_SAFE_INTEGER));
