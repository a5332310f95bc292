/** The role of a host as /etc/xensource/pool.conf gives it. Reads and writes that one file. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

export type Role =
  | { readonly kind: "master" }
  | { readonly kind: "supporter"; readonly masterAddress: string }
  | { readonly kind: "broken" };

/** A host without the file is a pool of its own. */
export const readRole = (path: string): Role => {
  const text = existsSync(path) ? readFileSync(path, "utf8").trim() : "master";
  if (text === "master") return { kind: "master" };
  if (text.startsWith("slave:")) return { kind: "supporter", masterAddress: text.slice("slave:".length) };
  if (text === "broken") return { kind: "broken" };
  throw new Error(`Cannot read the role from ${path}: found "${text}", expected master, slave:<address> or broken`);
};

export const writeRole = (path: string, role: Role): void => {
  mkdirSync(dirname(path), { recursive: true });
  const text = role.kind === "supporter" ? `slave:${role.masterAddress}` : role.kind;
  const file = openSync(`${path}.new`, "w");
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
};
