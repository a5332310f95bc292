/** Who may log in where (the table of xapi's own rules). Sessions live in memory and die with the xapi. */
import { freshRef } from "./db.ts";
import type { Method, MethodContext, MethodTable } from "./method.ts";
import { asText, fail, type Json, sleep, xapiTime } from "./types.ts";
import type { Xapi } from "./xapi.ts";

const authenticate = async ({ xapi, via }: MethodContext, user: string, password: string): Promise<void> => {
  if (via === "unix") return;
  if (user === "root" && password === xapi.options.rootPassword) return;
  await sleep(xapi.timings.authFailMs);
  fail("SESSION_AUTHENTICATION_FAILED", user, "Authentication failure");
};

/** A session in this master's database. */
export const createSession = (xapi: Xapi, user: string, originator: string): string => {
  const now = xapiTime();
  const ref = xapi.db.create("session", {
    this_host: xapi.here,
    last_active: now,
    validation_time: now,
    is_local_superuser: true,
    auth_user_name: user,
    originator,
  });
  xapi.sessions.set(ref, { user, originator });
  return ref;
};

const createLocalSession = (xapi: Xapi): string => {
  const ref = freshRef();
  xapi.localSessions.add(ref);
  return ref;
};

/** On a supporter the session is written to the master's database, however long that takes. */
const createAnywhere = async ({ xapi, gone }: MethodContext, user: string, originator: string): Promise<Json> => {
  if (xapi.isMaster) return createSession(xapi, user, originator);
  const answer = await xapi.askMaster("create_session", { user, originator }, gone, true);
  if (answer.kind === "failure") return fail(answer.error[0] ?? "INTERNAL_ERROR", ...answer.error.slice(1));
  return answer.value;
};

const checkSecret = (xapi: Xapi, secret: string): void => {
  if (secret !== xapi.poolSecret()) fail("SESSION_AUTHENTICATION_FAILED", "localhost", "Pool credentials invalid");
};

const open = (params: readonly string[], optional: number, run: Method["run"]): Method => ({
  params,
  optional,
  session: false,
  local: true,
  noAsync: true,
  run,
});

const logout = ({ xapi, session }: MethodContext): Json => {
  xapi.localSessions.delete(session);
  xapi.endSession(session);
  return "";
};

export const sessionMethods: MethodTable = {
  "session.login_with_password": open(["s", "s", "s", "s"], 2, async (context, [user, password, , originator]) => {
    const { xapi, via } = context;
    if (via === "tcp" && !xapi.isMaster) fail("HOST_IS_SLAVE", xapi.masterAddress);
    await authenticate(context, asText(user), asText(password));
    return createAnywhere(context, asText(user), asText(originator));
  }),
  "session.slave_login": {
    ...open(["@host", "s"], 0, async (context, [, secret]) => {
      checkSecret(context.xapi, asText(secret));
      return createAnywhere(context, "pool", "pool");
    }),
  },
  "session.slave_local_login": {
    ...open(["s"], 0, ({ xapi }, [secret]) => {
      checkSecret(xapi, asText(secret));
      return createLocalSession(xapi);
    }),
  },
  "session.slave_local_login_with_password": open(["s", "s"], 0, async (context, [user, password]) => {
    await authenticate(context, asText(user), asText(password));
    return createLocalSession(context.xapi);
  }),
  "session.local_logout": { params: [], session: true, local: true, noAsync: true, run: logout },
  "session.logout": { params: [], session: true, noAsync: true, run: logout },
};
