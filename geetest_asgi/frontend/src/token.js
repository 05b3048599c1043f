/* How a token is put into a request: in place of empty fields that are there, or in front of the others. */

import { failure } from "./captcha.js";

export const FIELDS = "lot_number captcha_output pass_token gen_time".split(" ");

export const header = (name) => "x-geetest-" + name.replace("_", "-");
export const isSafe = (method) => /^(GET|HEAD)$/.test(method);

export const typeOf = (headers) => headers.get("content-type") || "";

/** What is sent: pairs of name and value; `fields` means what it means to the server. Without a token all are empty. */
export function named(token, fields) {
  const word = typeof fields === "string";
  if (word && !/^camelCase$|[_-]$/.test(fields)) return [[fields, token ? JSON.stringify(token) : ""]];
  const spell = (name) => {
    if (fields === "camelCase") return name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
    return word ? fields + name : fields?.[name] || name;
  };
  return FIELDS.map((name) => [spell(name), token?.[name] || ""]);
}

/** The token comes first: in a multipart body the server finds it before the files. */
function refill(from, to, pairs) {
  pairs.forEach((pair) => to.append(...pair));
  for (const [name, value] of from) if (!pairs.some(([mine]) => mine === name)) to.append(name, value);
  return to;
}

function refillJson(text, pairs) {
  try {
    const object = JSON.parse(text);
    if (Array.isArray(object)) return;
    const token = Object.fromEntries(pairs);
    return JSON.stringify({ ...token, ...object, ...token }); // first, and in any case
  } catch {
    // no JSON: the token goes into headers
  }
}

const isForm = (body) => body instanceof FormData || body instanceof URLSearchParams;

/** The body with a token in it, or undefined if it is of a kind that holds none. */
function refillBody(body, type, pairs) {
  if (isForm(body)) return refill(body, new body.constructor(), pairs);
  if (body && typeof body !== "string") return undefined;
  const text = body || "";
  if (/json/i.test(type) || text[0] === "{") return refillJson(text, pairs);
  if (text && !/urlencoded/i.test(type)) return undefined;
  const filled = refill(new URLSearchParams(text), new URLSearchParams(), pairs);
  return type ? String(filled) : filled; // which says its own type
}

/** Does the body have a field of this name, be it empty? */
export function carries(body, name) {
  if (isForm(body)) return body.has(name);
  return typeof body === "string" && [`"${name}"`, name + "="].some((sign) => body.includes(sign));
}

/** What a request becomes with a token in it: its address, its body, and headers to add. */
export function stamp({ fields, sources }, token, { method, url, headers: given, body }) {
  const pairs = named(token, fields);
  const asked = url.searchParams.has(pairs[0][0]);
  if (asked) (url = new URL(url)).search = refill(url.searchParams, new URLSearchParams(), pairs);
  const filled = isSafe(method) || !sources.includes("body") ? undefined : refillBody(body, typeOf(given), pairs);
  const headers = (asked || filled !== undefined) && !sources.includes("header") ? [] : FIELDS.map((name) => [header(name), token[name]]);
  return { url, body: filled ?? body, headers };
}

/** How to fetch from there, or undefined if no token may go there. */
export function permit({ origin }, origins) {
  // Of an <iframe srcdoc> the location has no origin, of a sandboxed one the page has none.
  if ([location.origin, self.origin].includes(origin)) return "same-origin"; // which follows no redirect to another one
  return origins?.includes(origin) ? "cors" : undefined;
}

export const foreign = ({ origin }) => failure("origin", `origins lacks ${origin}`);
