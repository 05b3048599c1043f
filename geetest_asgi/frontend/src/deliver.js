/* A request with a token, by fetch; and one that is sent without a token first, where a captcha is only wanted if the
   guard asks for it. */

import { nativeFetch, nothing, resolve } from "./dom.js";
import { FIELDS, foreign, header, isSafe, permit, stamp } from "./token.js";

/** The guard's problem, or null if it is somebody else's. */
export const ours = (problem) => (/^captcha_/.test(problem?.code) ? problem : null);

/** A promise of the guard's problem+json, or of null if the response is the app's own. */
export async function denial(response) {
  if ("problem" in response) return response.problem;
  if (!/problem\+json/i.test(response.headers.get("content-type"))) return null;
  return ours(await response.clone().json().catch(nothing));
}

/** `send` is called with a token, or with null: "asked" sends first, and again if the guard wants a captcha.
    A token that is there already goes along, if the request is `certain` to be for the guard. */
async function inTurn({ owner, asked, certain }, send, signal) {
  const first = await (asked && !(certain && owner.result()) ? send(null) : owner.use(send, signal));
  const problem = asked && (await denial(first));
  if (problem?.retry !== "solve") return first;
  if (problem.code !== "captcha_missing") owner.reset();
  return owner.use(send, signal);
}

/** The same, but what the page aborts ends at once. */
export const deliver = (claim, send, signal) =>
  Promise.race([
    inTurn(claim, send, signal),
    new Promise((_, failed) => signal?.addEventListener("abort", () => failed(signal.reason))),
  ]);

export const hasToken = (headers) => headers.has(header(FIELDS[0]));
export const typeOf = (headers) => headers.get("content-type") || "";

/** What the page wants to fetch, or null if there is a token in its headers already. */
export function describe(input, init) {
  const request = input instanceof Request ? input : null;
  const headers = new Headers(init.headers || request?.headers);
  const method = (init.method || request?.method || "GET").toUpperCase();
  const url = resolve(request?.url || input);
  return hasToken(headers) ? null : { request, method, url, headers, type: typeOf(headers), body: init.body };
}

/** A body that is in a Request already is read in the form in which a token can be put into it. */
const read = ({ request, type }) => request.clone()[/multipart/i.test(type) ? "formData" : /json|urlencoded/i.test(type) ? "text" : "blob"]();

export function transmit(claim, input, init) {
  const { owner } = claim;
  const asIs = describe(input, init);
  const { request, method, headers, type } = asIs;
  return deliver(claim, async (token) => {
    const copy = request ? request.clone() : input;
    if (!token) return nativeFetch(copy, init);
    let { body } = asIs;
    if (request && !body && !isSafe(method)) body = await read(asIs);
    if (!type && body?.size === 0) body = null; // a Request without a body has an empty one
    const stamped = stamp(owner, token, { ...asIs, body });
    const sent = new Headers(headers);
    if (stamped.body instanceof FormData) sent.delete("content-type"); // it has a new boundary
    stamped.headers.forEach((pair) => sent.set(...pair));
    return nativeFetch(stamped.url.href === asIs.url.href ? copy : stamped.url, {
      ...init, ...stamped, method, headers: sent, mode: permit(stamped.url, owner.origins),
    });
  }, init.signal || request?.signal);
}

/** fetch with the token of a captcha in four headers. */
export async function fetchWith(url, init = {}, captcha, { origins, when } = {}) {
  const target = resolve(url.url || url);
  if (!permit(target, origins)) throw foreign(target);
  return transmit({ owner: { ...captcha, sources: "header", origins }, asked: when === "asked", certain: true }, url, init);
}
