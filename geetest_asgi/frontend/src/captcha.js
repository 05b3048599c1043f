/* GeeTest's widget as promises: one token at a time, for one request. */

import { nothing } from "./dom.js";
import { named } from "./token.js";

const LIFETIME = 540000; // ms: a token is good for about ten minutes (GeeTest, 2026-11)

const SOLVED = 0;
const FAILED = 1;

let spare = null; // an unspent token of a form that has left: the form that replaces it may use it

export const failure = (code, msg, desc = { detail: msg }) =>
  Object.assign(new Error(msg), { code, msg, desc }, code === "closed" && { name: "AbortError" });

const copy = ({ code, msg, desc }) => failure(code, msg, desc);

async function makeWidget({ onError, offlineCb, ...config }) {
  if (!window.initGeetest4 && document.readyState !== "complete") {
    await new Promise((done) => addEventListener("load", done)); // gt4.js may be an async script
  }
  const make = window.initGeetest4;
  if (typeof make !== "function") throw failure("no_gt4", "no gt4.js here");
  return new Promise((done, failed) => {
    config.onError = (given) => failed(copy(given));
    if (offlineCb) config.offlineCb = () => (offlineCb(), failed(failure("offline", "GeeTest is offline")));
    make(config, done);
  });
}

/** `options` are GeeTest's. `told`: solved(token), emptied(), failed(error), closed(). */
export async function captcha(options, told = {}) {
  const widget = await makeWidget(options);
  const bind = options.product === "bind";
  const ready = new Promise((done) => widget.onReady(done));
  let token = null;
  let solvedAt = 0;
  let waiting = [];
  let line = Promise.resolve();

  function settle(how, value) {
    const those = waiting;
    waiting = [];
    those.forEach((both) => both[how](value));
  }
  const end = () => settle(FAILED, failure("closed", "closed by the visitor"));
  function have(got) {
    token = got;
    told.solved?.(token);
    settle(SOLVED, token);
  }

  widget.onSuccess(() => {
    const got = widget.getValidate();
    solvedAt = Date.now();
    if (got) have(Object.fromEntries(named(got)));
  });
  widget.onError((given) => {
    const error = copy(given);
    if (told.failed) told.failed(error); // who tells the visitor goes on waiting: the visitor may try again
    else settle(FAILED, error);
  });
  widget.onClose(() => {
    if (!bind) return; // a visitor may open the others again
    told.closed?.();
    end();
  });

  const it = {
    widget,
    result() {
      if (token && Date.now() - solvedAt > LIFETIME) it.reset();
      return token;
    },
    solve() {
      if (it.result()) return Promise.resolve(token);
      if (bind) ready.then(() => widget.showCaptcha());
      return new Promise((...both) => waiting.push(both));
    },
    /** Call `job` with a token that nobody else gets. The guard may say that it has kept it for one more request.
        What the page has aborted through `signal` takes none. */
    async use(job, signal) {
      const takes = (got) => (signal?.throwIfAborted(), it.reset(), got);
      const mine = await (line = line.catch(nothing).then(it.solve).then(takes));
      try {
        const answer = await job(mine);
        if (answer?.headers?.get("x-geetest-token") === "kept" && !token) have(mine);
        return answer;
      } finally {
        if (!token) told.emptied?.();
      }
    },
    take: () => it.use((mine) => mine),
    reset() {
      token = null;
      told.emptied?.();
      end();
      widget.reset();
    },
    destroy() {
      if (it.result()) spare = { token, solvedAt, id: options.captchaId };
      end();
      widget.destroy();
    },
  };
  if (spare?.id === options.captchaId) {
    ({ token, solvedAt } = spare);
    spare = null;
    if (it.result()) have(token);
  }
  return it;
}
