/** The few types every part of the simulated xapi shares, and its one kind of failure. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Rec = Record<string, Json>;

/** An error reply of xapi: a code and its parameters. Thrown by methods, turned into a reply by the transport. */
export class XapiFailure extends Error {
  readonly code: string;
  readonly params: readonly string[];
  constructor(code: string, ...params: string[]) {
    super([code, ...params].join(" "));
    this.code = code;
    this.params = params;
  }
}

export const fail = (code: string, ...params: string[]): never => {
  throw new XapiFailure(code, ...params);
};

/** What a method answered: a value, or code plus parameters. */
export type Answer =
  { readonly kind: "ok"; readonly value: Json } | { readonly kind: "failure"; readonly error: string[] };

export const toAnswer = (error: unknown): Answer => ({
  kind: "failure",
  error:
    error instanceof XapiFailure
      ? [error.code, ...error.params]
      : ["INTERNAL_ERROR", error instanceof Error ? error.message : String(error)],
});

export const isRec = (value: unknown): value is Rec =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const asRec = (value: Json | undefined): Rec => (isRec(value) ? value : {});
export const asText = (value: Json | undefined): string => (typeof value === "string" ? value : "");
export const asNumber = (value: Json | undefined): number => (typeof value === "number" ? value : 0);
export const asList = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : []);
export const asTexts = (value: Json | undefined): string[] => asList(value).map(asText);

/** xapi's basic ISO form, for example 20261120T13:52:29Z. */
export const xapiTime = (when: Date = new Date()): string => `${when.toISOString().slice(0, 19).replaceAll("-", "")}Z`;

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
