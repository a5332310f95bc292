// Reads tandem.yaml and the inventory from disk, after a look at who could have written them. Changes nothing.

import { open } from "node:fs/promises";
import { err, type Result } from "../util/result.ts";
import { parseInventory } from "./inventory.ts";
import { parseLocalFile, type LocalFile } from "./local-file.ts";
import { findParameter } from "./parameters.ts";
import type { Problem } from "./problem.ts";

export const LOCAL_FILE = "/etc/tandem/tandem.yaml";
export const INVENTORY_FILE = "/etc/xensource-inventory";

const SIZE_LIMIT = 256 * 1024;

const problem = (path: string, found: string, expected: string, action: string): Problem => ({
  path,
  line: null,
  severity: "error",
  found,
  expected,
  action,
});

export interface FileFacts {
  readonly uid: number;
  readonly mode: number;
}

/** Who may write decides over the failover; who may read sees passwords. Null: as it should be. */
export function permissionProblem(path: string, facts: FileFacts, ownUid: number, hasSecrets: boolean): Problem | null {
  const mode = `mode ${(facts.mode & 0o7777).toString(8).padStart(4, "0")}`;
  if (facts.uid !== 0 && facts.uid !== ownUid) {
    return problem(
      path,
      `owner ${facts.uid}`,
      "a file owned by root",
      `run \`chown root ${path}\` after checking its content`,
    );
  }
  if ((facts.mode & 0o022) !== 0) {
    return problem(
      path,
      mode,
      "a file that only root can write",
      `run \`chmod 600 ${path}\` after checking its content`,
    );
  }
  if (hasSecrets && (facts.mode & 0o044) !== 0) {
    return problem(
      path,
      `${mode} and a password inside`,
      "a file that only root can read",
      `run \`chmod 600 ${path}\` and change the password`,
    );
  }
  return null;
}

async function readText(
  path: string,
): Promise<Result<{ readonly text: string; readonly facts: FileFacts }, readonly Problem[]>> {
  try {
    // Facts and text of the same open file, so that a swap in between cannot mislead.
    const file = await open(path, "r");
    try {
      const stat = await file.stat();
      if (!stat.isFile()) return err([problem(path, "no regular file", "a YAML file", "correct it")]);
      if (stat.size > SIZE_LIMIT)
        return err([problem(path, `${stat.size} bytes`, `at most ${SIZE_LIMIT} bytes`, "correct it")]);
      return { ok: true, value: { text: await file.readFile("utf8"), facts: { uid: stat.uid, mode: stat.mode } } };
    } finally {
      await file.close();
    }
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    const found = code === "ENOENT" ? "no such file" : code;
    return err([
      problem(
        path,
        found,
        "a readable file",
        "see the commented example tandem.yaml of the package, or run `iscsi-cfg setup`",
      ),
    ]);
  }
}

/** Does the text name a secret at all? Judged on the text, so that a file which does not parse is guarded too. */
function namesSecret(text: string): boolean {
  return [...text.matchAll(/^[^#\n]*?([A-Za-z_]+)["']?\s*:/gm)].some(
    (match) => findParameter("pool", match[1] ?? "")?.secret === true,
  );
}

export async function readLocalFile(
  path: string = LOCAL_FILE,
  inventoryPath: string = INVENTORY_FILE,
): Promise<Result<LocalFile, readonly Problem[]>> {
  const [inventoryText, local] = await Promise.all([readText(inventoryPath), readText(path)]);
  if (!inventoryText.ok || !local.ok) {
    return err([...(inventoryText.ok ? [] : inventoryText.error), ...(local.ok ? [] : local.error)]);
  }
  const inventory = parseInventory(inventoryText.value.text);
  const permission = permissionProblem(path, local.value.facts, process.getuid?.() ?? 0, namesSecret(local.value.text));
  if (permission !== null) return err([permission, ...(inventory.ok ? [] : inventory.error)]);
  return inventory.ok ? parseLocalFile(local.value.text, inventory.value) : inventory;
}
