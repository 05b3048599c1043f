/* One form, or one list of paths: its captcha, what its visitor is told, and how it is submitted. */

import { captcha, failure } from "./captcha.js";
import { denial, transmit } from "./deliver.js";
import { all, attr, attribute, dispatch, nothing, queryAll, requestSubmit, resolve, submitPlainly, task } from "./dom.js";
import { declared, pattern } from "./options.js";
import { textsIn } from "./texts.js";
import { foreign, isSafe, named, permit } from "./token.js";
import { view } from "./view.js";

const TWICE = 1000; // ms: a second press that comes so soon is a double click

/** Whose forms and paths are attached: element → owner. */
export const owners = new Map();
/** Is a submission being released, past the page's listeners? */
export let passing = false;

function release(form, submitter, disabled) {
  submitter ||= {};
  const now = submitter.disabled;
  submitter.disabled = disabled; // one that the page has disabled since would lose its value
  passing = true;
  try {
    requestSubmit(form, submitter.form === form ? submitter : null);
  } finally {
    passing = false;
    submitter.disabled = now;
  }
}

const resource = ({ origin, pathname }) => origin + pathname;

/** Where a form goes, as far as its markup says so. React puts a `javascript:` address where it calls a function. */
function targetsOf(form) {
  const action = attr(form, "action") || (/^post$/i.test(attr(form, "method")) ? "" : null);
  const buttons = [...queryAll(form, "[formaction]")].map((button) => attr(button, "formaction"));
  return [action, ...buttons].filter((url) => url !== null && !/^\s*javascript:/i.test(url)).map((url) => resource(resolve(url)));
}

export function attach(host, given) {
  if (owners.has(host)) return owners.get(host).handle;
  const form = host instanceof HTMLFormElement ? host : null;
  const { fields, place, messages, origins, onError, when, ajax = when === "asked", paths = [], sources = "body header", ...config } = {
    ...declared(host),
    ...given,
  };
  if (!form && !paths.length) throw failure("paths", "name the paths");
  const asked = when === "asked";
  const bind = config.product === "bind";
  // The second half of a double click would fall on the mask, and close the captcha that the first has opened.
  if (bind) config.mask = { outside: false, ...config.mask };
  const texts = { ...textsIn(config.language || all("html")[0].lang), ...messages };
  const patterns = paths.map(pattern);
  const { home, fill, say, focusWidget, isWhole, remove } = view(host, form, { fields, place, bind });
  let making; // a promise of the captcha
  let current; // the captcha
  let waiting; // a request waits for the visitor
  let busy; // a token is on its way
  let last = -TWICE; // when something was last held or sent
  let arrived;

  const emit = (name, detail) =>
    dispatch(host, new CustomEvent("geetest:" + name, { detail, bubbles: true, cancelable: true }));

  function complain(error) {
    console.error(`geetest-form: ${error.code} ${error.message}`);
    if (emit("error", { error })) say(texts[error.code] || texts.error);
    onError?.(error);
  }

  // --- the captcha

  const told = {
    solved(token) {
      fill(token);
      say();
      emit("solved");
    },
    emptied: () => fill(),
    failed: complain,
    closed: () => emit("closed"),
  };

  const ready = () =>
    (making ||= captcha(config, told).then(
      (it) => {
        current = it;
        if (home) it.widget.appendTo(home);
        say();
        emit("ready", { captcha: it });
        return it;
      },
      (error) => {
        making = null; // the next one who wants it tries again
        complain(error);
        throw error;
      },
    ));
  const result = () => current?.result();
  const reset = () => (current ? current.reset() : fill());

  /** `bind` is shown, the others wait for a visitor who has to be told. */
  function remind() {
    if (bind || result()) return;
    say(texts.required);
    focusWidget();
  }

  async function use(job, signal) {
    last = performance.now();
    waiting = true;
    try {
      const it = await ready();
      remind();
      return await it.use((token) => ((waiting = false), job(token)), signal);
    } finally {
      waiting = false;
    }
  }

  // --- submissions

  async function sendAndTell(submitter, url) {
    const method = attribute(form, "method", submitter).toUpperCase() || "GET";
    const data = new FormData(form);
    if (submitter?.name) data.append(submitter.name, submitter.value);
    let body = new URLSearchParams(data);
    if (isSafe(method)) {
      url.search = body;
      body = null;
    } else if (/^multipart/i.test(attribute(form, "enctype", submitter))) body = data;
    busy = true;
    try {
      const response = await transmit({ owner, asked, certain: true }, url, { method, body });
      const problem = await denial(response);
      if (!problem) emit("response", { response });
      else if (emit("denied", { response, problem })) say(texts[problem.retry] || problem.detail || texts[problem.retry === "solve" ? "required" : "error"]);
    } catch (error) {
      if (!error.code) complain(failure("network", error.message)); // what has a code was told of already
    }
    busy = false;
  }

  /** A submission that stands still until there is a token. */
  async function hold(submitter, go) {
    last = performance.now();
    say();
    const target = resolve(attribute(form, "action", submitter));
    if (!permit(target, origins)) return complain(foreign(target));
    if (!bind && !asked && !result()) return ready().then(remind, nothing);
    if (ajax) return sendAndTell(submitter, target);
    return use(async (token) => {
      await task();
      fill(token);
      owner.isLeaving = true; // the navigation that follows is ours
      go();
    }).catch(() => {
      if (submitter) submitter.disabled = false; // it was pressed, so it was enabled; and no new page will come
    });
  }

  const owner = {
    form, fields, sources, origins, asked, result, reset, use, isLeaving: false,
    name: named(null, fields)[0][0],
    holdPlain: () => hold(null, () => submitPlainly(form)),
    hold(submitter) {
      const disabled = submitter?.disabled;
      return hold(submitter, () => release(form, submitter, disabled));
    },
    /** Is this press one too many? If not, the inputs are made ready. */
    isTwice({ timeStamp }) {
      if (waiting && bind) current?.widget.showCaptcha(); // it may have failed and gone
      if (waiting) remind();
      else if (!busy) fill(result());
      return waiting || busy || (!result() && timeStamp - last < TWICE);
    },
    /** Addresses that the form's markup names. */
    targets: () => (form ? targetsOf(form) : []),
    protects: (method, url) =>
      patterns.some((matches) => matches(method, url)) || (!isSafe(method) && owner.targets().includes(resource(url))),
    /** After a change of the page: has it left, or was a part of it taken out? */
    check() {
      const here = host.isConnected;
      arrived = arrived || here;
      if (!arrived || (here && isWhole())) return;
      handle.detach();
      if (here) attach(host, given);
    },
  };
  const handle = {
    form: host,
    ready,
    reset,
    /** Leave the form as it was found. */
    detach() {
      remove();
      owners.delete(host);
      making?.then((it) => it.destroy(), nothing);
    },
  };
  owner.handle = handle;
  owners.set(host, owner);
  say();
  fill();
  if (!asked) ready().catch(nothing);
  return handle;
}
