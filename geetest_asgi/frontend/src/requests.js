/* fetch and XMLHttpRequest of the page's own code, held until there is a token. What nobody claims passes untouched. */

import { failure } from "./captcha.js";
import { claim } from "./claim.js";
import { deliver, denialIn, describe, ours, transmit } from "./deliver.js";
import { nativeFetch, resolve } from "./dom.js";
import { stamp } from "./token.js";

function heldFetch(input, init) {
  init ||= {};
  const claimed = claim(describe(input, init));
  return claimed ? transmit(claimed, input, init) : nativeFetch(input, init);
}

const { open, setRequestHeader, send, abort } = XMLHttpRequest.prototype;
const calls = new WeakMap(); // of each XMLHttpRequest: how it was opened

const headersOf = (xhr) => ({ get: (name) => xhr.getResponseHeader(name) });

/** The guard's denial, or null. Another origin may hide the header, so the body counts too. */
function problemOf(xhr) {
  const told = denialIn(headersOf(xhr));
  if (told) return told;
  try {
    const { response } = xhr;
    return ours(typeof response === "string" ? JSON.parse(response) : response);
  } catch {
    return null; // of another kind
  }
}

/** The first answer is no matter of the page's, if the request is sent again. */
function hush(event) {
  const call = calls.get(this);
  if (this.readyState !== 4 || !call?.done) return;
  if (call.isTrial && problemOf(this)?.retry === "solve") event.stopImmediatePropagation();
  if (event.type === "loadend") call.done();
}

/** Open it anew: the address may be another, and headers are sent once. */
function sendWith(xhr, call, owner, token) {
  const stamped = stamp(owner, token, call);
  open.call(xhr, call.method, stamped.url, true, ...call.more.slice(1));
  [...call.headers, ...stamped.headers].forEach((pair) => setRequestHeader.call(xhr, ...pair));
  send.call(xhr, stamped.body);
}

function hold(xhr, call, claimed) {
  const { signal } = (call.stop = new AbortController());
  const round = (token) =>
    new Promise((done) => {
      call.isTrial = !token;
      call.done = () => done({ problem: problemOf(xhr), headers: headersOf(xhr) });
      if (token) sendWith(xhr, call, claimed.owner, token);
      else send.call(xhr, call.body);
    });
  const fail = () => ["abort", "loadend"].forEach((name) => xhr.dispatchEvent(new ProgressEvent(name)));
  deliver(claimed, round, signal).catch(() => signal.aborted || fail()); // as if the visitor had aborted it
}

const held = {
  open(method, url, ...more) {
    open.apply(this, arguments);
    calls.get(this)?.stop?.abort();
    // Before the page's own: listeners are called in the order in which they came.
    ["readystatechange", "load", "loadend"].forEach((name) => this.addEventListener(name, hush));
    calls.set(this, { method: method.toUpperCase(), url: resolve(url), more, headers: new Headers() });
  },
  setRequestHeader(name, value) {
    setRequestHeader.call(this, name, value);
    calls.get(this)?.headers.append(name, value);
  },
  abort() {
    abort.call(this);
    calls.get(this)?.stop?.abort();
  },
  send(body) {
    const call = calls.get(this);
    const claimed = call && claim(Object.assign(call, { body }));
    if (!claimed) return send.call(this, body);
    if (!call.more.length || call.more[0]) return hold(this, call, claimed);
    throw failure("sync", "no synchronous requests");
  },
};

export function holdRequests() {
  window.fetch = heldFetch;
  Object.assign(XMLHttpRequest.prototype, held);
}
