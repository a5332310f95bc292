// Shapes that several messages share. Pure.

import * as z from "zod";

/** UUIDs and resource names. `__proto__` has the form of a name but must never become a key of an object. */
export const nameShape = z
  .string()
  .regex(/^[A-Za-z0-9_.:-]{1,64}$/)
  .refine((name) => name !== "__proto__");
/** 128 random bits per boot, in hexadecimal without dashes. */
export const bootIdShape = z.string().regex(/^[0-9a-f]{32}$/);
export const nonceShape = z.string().regex(/^[0-9a-f]{32}$/);
export const counterShape = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
