/* A request with a token, by fetch; and one that is sent without a token first, where a captcha is only wanted if the
   guard asks for it. */

import { nativeFetch, nothing, resolve } from "./dom.js";
import { foreign, header, isSafe, permit, stamp, typeOf } from "./token.js";

/** The guard's problem, or null if it is somebody else's. */
export const ours = (problem) => (/^captcha_/.test(problem?.code) ? problem : null);

/** What the header tells of a denial, whatever its body is; null if there is none. */
export function denialIn(headers) {
  const code = headers.get(header("denial"));
  return code && { code, retry: /large|tenant/.test(code) ? "never" : /busy|unav|misc/.test(code) ? "later" : "solve" };
}

/** A promise of the guard's problem, or of null if the response is the app's own. */
export async function denial(response) {
  if ("problem" in response) return response.problem;
  const { headers } = response;
  const json = /problem\+json/i.test(headers.get("content-type")) && (await response.clone().json().catch(nothing));
  return ours(json) || denialIn(headers);
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

/** What the page wants to fetch. */
export function describe(input, init) {
  const request = input instanceof Request ? input : null;
  const headers = new Headers(init.headers || request?.headers);
  const method = (init.method || request?.method || "GET").toUpperCase();
  const url = resolve(request?.url || input);
  return { request, method, url, headers, body: init.body };
}

export function transmit(claim, input, init) {
  const { owner } = claim;
  const asIs = describe(input, init);
  const { request, method, headers } = asIs;
  const type = typeOf(headers);
  return deliver(claim, async (token) => {
    const copy = request ? request.clone() : input;
    if (!token) return nativeFetch(copy, init);
    let { body } = asIs;
    if (request && !body && !isSafe(method)) {
      // Read in the form in which a token can be put into it.
      body = await request.clone()[/multipart/i.test(type) ? "formData" : /json|urlencoded/i.test(type) ? "text" : "blob"]();
    }
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
