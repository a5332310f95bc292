/** What a call is made of: parameter types, whether it needs a session, and its body. */
import type { CallContext } from "./dispatch.ts";
import type { Json } from "./types.ts";
import type { Xapi } from "./xapi.ts";

export interface MethodContext extends CallContext {
  readonly xapi: Xapi;
  readonly session: string;
  /** The task of an Async call. */
  readonly task: string | undefined;
}

export interface Method {
  /** Types in the notation of the field table, without the session. */
  readonly params: readonly string[];
  /** How many trailing parameters may be left out. */
  readonly optional?: number;
  readonly session: boolean;
  /** Runs on a supporter too, without its master. */
  readonly local?: boolean;
  readonly noAsync?: boolean;
  run(context: MethodContext, args: Json[]): Promise<Json> | Json;
}

export type MethodTable = Readonly<Record<string, Method>>;

/** A call with a session that answers nothing, the most frequent kind. */
export const action = (
  params: readonly string[],
  run: (context: MethodContext, args: Json[]) => Promise<void> | void,
  more: Partial<Method> = {},
): Method => ({
  params,
  session: true,
  ...more,
  run: async (context, args) => {
    await run(context, args);
    return "";
  },
});

/** A call with a session that answers a value. */
export const query = (
  params: readonly string[],
  run: (context: MethodContext, args: Json[]) => Promise<Json> | Json,
  more: Partial<Method> = {},
): Method => ({ params, session: true, ...more, run });
