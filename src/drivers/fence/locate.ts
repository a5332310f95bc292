// Finds the agent of a fence method and refuses one that somebody other than root could have written or replaced.
// It runs as root and decides whether a host is dead: who may write it may do anything.

import { access, constants, lstat, realpath, stat } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { err, ok, type Result } from "../../util/result.ts";

export interface LocatedAgent {
  readonly path: string;
  readonly folder: string;
  /** `<METHOD>.hosts`, where the agent looks up its devices; null when there is none. */
  readonly hostsFile: string | null;
}

export interface LocateOptions {
  /** Parents are checked up to and including this folder; "/" but in tests. */
  readonly ascendTo: string;
  /** Who must own agent and folders; 0 but in tests that are not run by root. */
  readonly owner: number;
}

export const LOCATE_DEFAULTS: LocateOptions = { ascendTo: "/", owner: 0 };

const METHOD = /^[A-Z0-9_]{1,32}$/;

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : String(error);

/** Null: only root can write it. */
async function looseness(path: string, options: LocateOptions): Promise<string | null> {
  const facts = await stat(path);
  const mode = (facts.mode & 0o7777).toString(8).padStart(4, "0");
  if (facts.uid !== options.owner)
    return `${path} belongs to user ${facts.uid}, expected root; check it, then chown root`;
  if ((facts.mode & 0o022) !== 0)
    return `${path} has mode ${mode}, expected one that only root can write; check it, then chmod go-w`;
  return null;
}

/** The file and every folder above it. */
async function looseAnywhere(path: string, options: LocateOptions): Promise<string | null> {
  for (let at = path; ; at = dirname(at)) {
    const found = await looseness(at, options);
    if (found !== null || at === options.ascendTo || at === dirname(at)) return found;
  }
}

async function hostsFileOf(path: string, options: LocateOptions): Promise<Result<string | null, string>> {
  try {
    await lstat(path);
  } catch (error) {
    return codeOf(error) === "ENOENT" ? ok(null) : err(`${path}: ${codeOf(error)}`);
  }
  const real = await realpath(path);
  const loose = await looseAnywhere(real, options);
  return loose === null ? ok(real) : err(loose);
}

/** `<location>/<METHOD>/<METHOD>.sh`, resolved; the error is a sentence that says what to change. */
export async function locateAgent(
  location: string,
  method: string,
  options: LocateOptions = LOCATE_DEFAULTS,
): Promise<Result<LocatedAgent, string>> {
  if (!METHOD.test(method))
    return err(
      `Cannot use fence method ${JSON.stringify(method.slice(0, 40))}: expected A-Z, 0-9, _ and at most 32 characters`,
    );
  const wanted = join(location, method, `${method}.sh`);
  const refuse = (reason: string): Result<LocatedAgent, string> => err(`Cannot use fence agent ${wanted}: ${reason}`);
  try {
    const root = await realpath(location);
    const path = await realpath(wanted);
    if (!path.startsWith(root + sep)) return refuse(`it leads to ${path}, expected a file below ${root}`);
    const facts = await stat(path);
    if (!facts.isFile()) return refuse("found no regular file, expected an executable");
    const loose = await looseAnywhere(path, options);
    if (loose !== null) return refuse(loose);
    if ((facts.mode & 0o111) === 0) return refuse("it is not executable; check it, then chmod u+x");
    await access(path, constants.X_OK);
    const hosts = await hostsFileOf(join(location, method, `${method}.hosts`), options);
    return hosts.ok ? ok({ path, folder: dirname(path), hostsFile: hosts.value }) : refuse(hosts.error);
  } catch (error) {
    const code = codeOf(error);
    return refuse(code === "ENOENT" ? "it is missing; install it, or correct FENCE_METHOD and FENCE_FILE_LOC" : code);
  }
}
