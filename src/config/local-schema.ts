// The shape of tandem.yaml, and what was expected where it is another one.

import { isIP } from "node:net";
import * as z from "zod/mini";
import { UUID_PATTERN } from "./value.ts";

export const said = (expected: string): { error: string } => ({ error: expected });
const uuid = z.string(said("a UUID")).check(z.toLowerCase(), z.regex(UUID_PATTERN, said("a UUID")));
const address = z.string(said("an IP address")).check(z.refine((text) => isIP(text) !== 0, said("an IP address")));
const identifier = z
  .string(said("1 to 36 printable characters"))
  .check(z.regex(/^[!-~]{1,36}$/, said("1 to 36 printable characters without spaces")));

export const hostSchema = z.strictObject(
  {
    uuid,
    name: z.string(said("a host name")).check(z.regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/, said("a host name"))),
    management: address,
    replication: address,
    // YAML is read as texts only.
    diskless: z.optional(
      z.pipe(
        z.enum(["true", "false"], said("true or false")),
        z.transform((text) => text === "true"),
      ),
    ),
  },
  said("a host with uuid, name, management and replication"),
);

export const lunSchema = z.strictObject(
  {
    resource: z
      .string(said("a DRBD resource name"))
      .check(z.regex(/^[A-Za-z0-9_.-]{1,64}$/, said("a DRBD resource name"))),
    device: z
      .string(said("a device such as /dev/drbd1"))
      .check(z.regex(/^\/dev\/[A-Za-z0-9_./-]{1,100}$/, said("a device such as /dev/drbd1"))),
    // tgtd keeps LUN 0 for its controller.
    lun: z.pipe(
      z.string(said("a LUN from 1 to 255")).check(z.regex(/^[0-9]{1,3}$/, said("a LUN from 1 to 255"))),
      z.pipe(
        z.transform(Number),
        z.number().check(z.refine((lun) => lun >= 1 && lun <= 255, said("a LUN from 1 to 255"))),
      ),
    ),
    scsi_id: z.optional(identifier),
    scsi_sn: z.optional(identifier),
  },
  said("a LUN with resource, device, lun, scsi_id and scsi_sn"),
);

export const parameterValue = z.union([z.string(), z.array(z.string())], said("a text or a list of texts"));
const emptyIsNothing = (value: unknown): unknown => (value === "" || value === null ? undefined : value);

export const fileSchema = z.strictObject(
  {
    pool: z.strictObject({ uuid }, said("a section with uuid")),
    hosts: z
      .array(hostSchema, said("a list of hosts"))
      .check(
        z.minLength(2, said("two hosts; a pool without peer cannot fail over")),
        z.maxLength(64, said("at most 64 hosts")),
      ),
    storage: z.pipe(
      z.transform(emptyIsNothing),
      z.optional(z.record(z.string(), z.unknown(), said("a section of parameters"))),
    ),
    overrides: z.pipe(
      z.transform(emptyIsNothing),
      z.optional(z.record(z.string(), parameterValue, said("a section of parameters"))),
    ),
  },
  said("the sections pool, hosts, storage and overrides"),
);
