/** XML-RPC in both directions, as xapi writes and reads it. Pure text; knows nothing of methods. */
import { isFloatField } from "./schema.ts";
import { isRec, type Json } from "./types.ts";

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

const unescape = (text: string): string =>
  text.replaceAll(/&(#x?[0-9a-fA-F]+|\w+);/g, (whole, name: string) => {
    if (name.startsWith("#x")) return String.fromCodePoint(Number.parseInt(name.slice(2), 16));
    if (name.startsWith("#")) return String.fromCodePoint(Number(name.slice(1)));
    return ENTITIES[name] ?? whole;
  });

/** xapi sends ints and strings untyped, dates and booleans typed. */
export const encodeXmlValue = (value: Json, fieldName = ""): string => {
  if (Array.isArray(value)) {
    return `<value><array><data>${value.map((item) => encodeXmlValue(item)).join("")}</data></array></value>`;
  }
  if (isRec(value)) {
    const members = Object.entries(value).map(
      ([name, item]) => `<member><name>${escape(name)}</name>${encodeXmlValue(item, name)}</member>`,
    );
    return `<value><struct>${members.join("")}</struct></value>`;
  }
  if (typeof value === "boolean") return `<value><boolean>${value ? 1 : 0}</boolean></value>`;
  if (typeof value === "number") {
    const isDouble = !Number.isInteger(value) || isFloatField(fieldName);
    return isDouble ? `<value><double>${value}</double></value>` : `<value>${value}</value>`;
  }
  if (value === null) return "<value></value>";
  if (/^\d{8}T\d\d:\d\d:\d\dZ$/.test(value)) return `<value><dateTime.iso8601>${value}</dateTime.iso8601></value>`;
  return `<value>${escape(value)}</value>`;
};

const response = (inner: string): string =>
  `<?xml version="1.0"?><methodResponse><params><param>${inner}</param></params></methodResponse>`;

export const xmlSuccess = (value: Json): string => response(encodeXmlValue({ Status: "Success", Value: value }));
export const xmlBare = (value: Json): string => response(encodeXmlValue(value));
export const xmlFailure = (error: string[]): string =>
  response(encodeXmlValue({ Status: "Failure", ErrorDescription: error }));

interface Node {
  readonly tag: string;
  readonly children: Node[];
  text: string;
}

/** A tree of the tags in the text. Throws on text that is not one closed tree. */
const parseTree = (text: string): Node => {
  const root: Node = { tag: "", children: [], text: "" };
  const stack: Node[] = [root];
  const pattern = /<\?[^>]*\?>|<!--[\s\S]*?-->|<(\/?)([\w.:-]+)[^>]*?(\/?)>|([^<]+)|(<)/g;
  for (const [, slash, tag, selfClosing, chunk, broken] of text.matchAll(pattern)) {
    const top = stack.at(-1);
    if (!top || broken !== undefined) throw new Error("unexpected end of input");
    if (chunk !== undefined) top.text += chunk;
    else if (tag !== undefined && slash === "/") {
      if (top.tag !== tag) throw new Error(`unexpected end tag ${tag}`);
      stack.pop();
    } else if (tag !== undefined) {
      const node: Node = { tag, children: [], text: "" };
      top.children.push(node);
      if (selfClosing !== "/") stack.push(node);
    }
  }
  if (stack.length !== 1 || root.children.length !== 1) throw new Error("unexpected end of input");
  return root;
};

const child = (node: Node | undefined, tag: string): Node | undefined =>
  node?.children.find((candidate) => candidate.tag === tag);

const decodeValue = (value: Node | undefined): Json => {
  const typed = value?.children[0];
  if (!value || !typed) return unescape(value?.text ?? "");
  const text = unescape(typed.text);
  switch (typed.tag) {
    case "boolean":
      return text.trim() === "1";
    case "int":
    case "i4":
    case "double":
      return Number(text);
    case "array":
      return (child(typed, "data")?.children ?? []).map(decodeValue);
    case "struct":
      return Object.fromEntries(
        typed.children.map((member) => [
          unescape(child(member, "name")?.text ?? ""),
          decodeValue(child(member, "value")),
        ]),
      );
    case "nil":
      return null;
    default:
      return text;
  }
};

/** The call in an XML-RPC request body. Throws when the text is not one. */
export const parseXmlCall = (body: string): { method: string; params: Json[] } => {
  const call = child(parseTree(body), "methodCall");
  const name = child(call, "methodName");
  if (!name) throw new Error("methodCall expected");
  const params = (child(call, "params")?.children ?? []).map((param) => decodeValue(child(param, "value")));
  return { method: unescape(name.text.trim()), params };
};

/** What a plugin printed: the value of its Success, or the words of its Failure. Throws on anything else. */
export const parseXmlResponse = (body: string): { readonly value: Json } | { readonly failure: Json } => {
  const params = child(child(parseTree(body.trim()), "methodResponse"), "params");
  const value = decodeValue(child(params?.children[0], "value"));
  if (!isRec(value)) throw new Error("methodResponse expected");
  return value["Status"] === "Success" ? { value: value["Value"] ?? "" } : { failure: value["ErrorDescription"] ?? [] };
};

/** The call as xapi puts it on a plugin's command line. */
export const xmlCall = (method: string, params: readonly Json[]): string =>
  `<?xml version='1.0'?><methodCall><methodName>${escape(method)}</methodName><params>${params
    .map((param) => `<param>${encodeXmlValue(param)}</param>`)
    .join("")}</params></methodCall>`;
