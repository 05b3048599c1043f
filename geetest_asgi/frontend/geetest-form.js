/* geetest-form.js: GeeTest CAPTCHA v4 on a form or a fetch, for a server that geetest_asgi guards.
   How to use it: docs/front-ends.md. The page itself loads GeeTest's gt4.js.

     captcha   GeeTest's widget as promises; one token at a time, which is given away once
     send      a request that carries a token, to this origin unless told otherwise
     attach    a form: asks for a token, fills it in, lets it go, empties the form again */
(() => {
  "use strict";

  if (window.GeetestForm && window.GeetestForm.attach) return; // loaded twice, it would attach each form twice

  const NAMES = ["lot_number", "captcha_output", "pass_token", "gen_time"];
  const KEEP = 540000; // ms: a token is good for about ten minutes (GeeTest, 2026-11)
  const TWICE = 1000; // ms: a submission that comes so soon after another is a double click
  const ENGLISH = {
    required: "Please solve the captcha first.",
    error: "The captcha does not work just now. Please try again.",
    network: "Nothing could be sent. Please try again.",
    solve: "The captcha was not accepted. Please solve a new one.",
    later: "The captcha cannot be checked just now. Please try again later.",
    never: "This cannot be accepted.",
  };
  const CHINESE = {
    required: "请先完成验证。",
    error: "验证码暂时无法使用，请重试。",
    network: "发送失败，请重试。",
    solve: "验证未通过，请重新验证。",
    later: "暂时无法校验验证码，请稍后再试。",
    never: "该请求无法被接受。",
  };

  const nothing = () => {};
  const failure = (code, msg, desc) => Object.assign(new Error(msg), { code, msg, desc: desc || { detail: msg } });
  const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
  const header = (name) => "X-GeeTest-" + name.replace("_", "-");

  /** What is sent: pairs of name and value; `fields` means what it means to the server. Without a token all empty. */
  function named(token, fields) {
    const word = typeof fields === "string";
    if (word && fields !== "camelCase" && !/[_-]$/.test(fields)) return [[fields, token ? JSON.stringify(token) : ""]];
    const spell = (name) => (fields === "camelCase" ? camel(name) : word ? fields + name : (fields || {})[name] || name);
    return NAMES.map((name) => [spell(name), token ? token[name] : ""]);
  }

  // --- captcha -------------------------------------------------------------------------------------------------------

  async function widgetOf(options) {
    if (!window.initGeetest4 && document.readyState !== "complete") {
      await new Promise((done) => addEventListener("load", done, { once: true })); // gt4.js may be an async script
    }
    if (!window.initGeetest4) throw failure("no_gt4", "gt4.js is not there: the page loads it, or could not");
    return new Promise((done, failed) => {
      const { onError, offlineCb, ...config } = options;
      config.onError = ({ code, msg, desc }) => failed(failure(code, msg, desc));
      if (typeof offlineCb === "function") config.offlineCb = () => (offlineCb(), failed(failure("offline", "GeeTest cannot be reached")));
      window.initGeetest4(config, done);
    });
  }

  /** `options` are GeeTest's. `told`: solved(token), emptied(), failed(error), closed(). */
  async function captcha(options, told = {}) {
    const widget = await widgetOf(options);
    const bind = options.product === "bind";
    const ready = new Promise((done) => widget.onReady(done));
    const tell = (name, value) => (told[name] || nothing)(value);
    let token = null;
    let solvedAt = 0;
    let waiting = [];
    let line = Promise.resolve();

    function settle(how, value) {
      const all = waiting;
      waiting = [];
      all.forEach((one) => one[how](value));
    }
    widget.onSuccess(() => {
      const got = widget.getValidate();
      if (!got) return;
      token = {};
      NAMES.forEach((name) => (token[name] = String(got[name])));
      solvedAt = Date.now();
      tell("solved", token);
      settle("done", token);
    });
    widget.onError(({ code, msg, desc }) => {
      const error = failure(code, msg, desc);
      tell("failed", error);
      settle("failed", error);
    });
    widget.onClose(() => {
      if (!bind) return; // a visitor may open the others again
      tell("closed");
      settle("failed", failure("closed", "closed by the visitor"));
    });

    const it = {
      widget,
      /** The token that is there, or null. */
      result() {
        if (token && Date.now() - solvedAt > KEEP) it.reset();
        return token;
      },
      /** A promise of the token: `bind` is shown, the others wait for the visitor. */
      solve() {
        if (it.result()) return Promise.resolve(token);
        if (bind) ready.then(() => widget.showCaptcha());
        return new Promise((done, failed) => waiting.push({ done, failed }));
      },
      /** As `solve`, and the token is yours alone: whoever asks next gets another. */
      take() {
        line = line.catch(nothing).then(it.solve).then((taken) => (it.reset(), taken));
        return line;
      },
      reset() {
        token = null;
        tell("emptied");
        settle("failed", failure("closed", "the captcha was reset"));
        widget.reset();
      },
      destroy() {
        settle("failed", failure("closed", "destroyed"));
        widget.destroy();
      },
    };
    return it;
  }

  // --- send ----------------------------------------------------------------------------------------------------------

  function permit(url, origins = []) {
    const { origin } = new URL(url, document.baseURI);
    if (origin === location.origin) return "same-origin"; // which follows no redirect to another one
    if (origins.includes(origin)) return "cors";
    throw failure("origin", `a captcha token is not for ${origin}: name it in origins`);
  }

  /** fetch with the token in four headers. */
  async function fetchWith(url, init, taker, { origins } = {}) {
    const request = new Request(url, init);
    const mode = permit(request.url, origins);
    const token = await taker.take();
    NAMES.forEach((name) => request.headers.set(header(name), token[name]));
    return fetch(request, { mode });
  }

  /** A promise of the guard's problem+json, or of null if the response is the app's own. */
  async function denial(response) {
    if (!/^application\/problem\+json/i.test(response.headers.get("content-type"))) return null;
    const problem = await response.clone().json().catch(nothing);
    return problem && /^captcha_/.test(problem.code) ? problem : null;
  }

  // --- attach --------------------------------------------------------------------------------------------------------

  const attached = new WeakMap();

  /** `data-geetest-…` of a form. Not where scripts come from or tokens go: sanitizers of visitors'
      HTML let data attributes pass. */
  function declared(form) {
    const options = {};
    for (const [key, value] of Object.entries(form.dataset)) {
      const name = key.slice(7, 8).toLowerCase() + key.slice(8);
      if (!/^geetest[A-Z]/.test(key) || /servers$|^protocol$|^origins$/i.test(name)) continue;
      const json = /^(true|false|\d{1,6}(\.\d+)?|[[{].*)$/s.test(value);
      options[name] = value === "" || (json ? JSON.parse(value) : value);
    }
    return options;
  }

  function attach(form, given) {
    if (attached.has(form)) return attached.get(form);
    const { fields, ajax, place, messages, origins, onError, ...config } = { ...declared(form), ...given };
    // The second half of a double click would fall on the mask, and close the captcha that the first has opened.
    if (config.product === "bind") config.mask = { outside: false, ...config.mask };
    const chinese = /^zh/i.test(config.language || document.documentElement.lang);
    const texts = { ...(chinese ? CHINESE : ENGLISH), ...messages };
    const listening = new AbortController();
    const added = [];
    let making = null; // a promise of the captcha
    let current = null; // the captcha
    let wanted = null; // the submission that waits for a token
    let busy = false; // a token is on its way
    let last = -TWICE;

    function add(tag, put, attributes) {
      const element = Object.assign(document.createElement(tag), attributes);
      added.push(element);
      put(element);
      return element;
    }
    const find = (selector) => form.querySelector(selector);
    const button = find("button:not([type=button]):not([type=reset]), input[type=submit], input[type=image]");
    const above = (element) => (button ? button.before(element) : form.append(element));
    const wished = typeof place === "string" ? document.querySelector(place) : place;
    const home = config.product === "bind" ? null : wished || find("[data-geetest-place]") || add("div", above);
    const message = find("[data-geetest-message]") || add("p", above, { className: "geetest-form-message" });
    message.setAttribute("role", "alert");
    // In front of everything: in a multipart body the server finds them before the files.
    const input = (name) => find(`input[name=${CSS.escape(name)}]`) ||
      add("input", (element) => form.prepend(element), { type: "hidden", name, autocomplete: "off" });
    const fill = (token) => named(token, fields).forEach(([name, value]) => (input(name).value = value));
    const say = (text) => {
      message.hidden = !text; // shown first: an alert is read out when its text changes
      message.textContent = text || "";
    };
    const emit = (name, detail) =>
      form.dispatchEvent(new CustomEvent(`geetest:${name}`, { detail, bubbles: true, cancelable: true }));

    function complain(error) {
      console.error(`geetest-form: ${error.code || error.name} ${error.message}`);
      if (emit("error", { error })) say(texts[error.code] || texts.error);
      if (typeof onError === "function") onError(error);
    }

    const told = {
      solved(token) {
        fill(token);
        say();
        emit("solved");
        const submission = wanted;
        wanted = null;
        if (submission) setTimeout(() => form.requestSubmit(submission.button));
      },
      emptied() {
        wanted = null;
        fill();
      },
      failed: complain,
      closed: () => (wanted = null),
    };

    /** The captcha; made anew if it could not be made before. */
    function ready() {
      making = making || captcha(config, told).then((it) => {
        current = it;
        if (home) it.widget.appendTo(home);
        say();
        emit("ready", { captcha: it });
        return it;
      }).catch((error) => {
        making = null;
        throw error;
      });
      return making;
    }

    function reset() {
      if (current) current.reset();
      else fill();
    }

    async function ask(submitter) {
      const it = await ready();
      if (config.product === "bind") {
        wanted = { button: submitter };
        return it.solve().catch(nothing); // `told` hears of it
      }
      say(texts.required);
      const target = home.querySelector("button, a[href], [tabindex]");
      if (target) target.focus();
    }

    const attribute = (name, submitter) =>
      (submitter && submitter.getAttribute(`form${name}`)) || form.getAttribute(name) || "";

    async function send(submitter) {
      const method = attribute("method", submitter).toUpperCase() || "GET";
      const url = new URL(attribute("action", submitter) || location.href, document.baseURI);
      const mode = permit(url, origins);
      const data = new FormData(form);
      if (submitter && submitter.name) data.append(submitter.name, submitter.value);
      const multipart = /^multipart/i.test(attribute("enctype", submitter));
      const body = multipart && method !== "GET" ? data : new URLSearchParams(data);
      reset();
      if (method === "GET") url.search = body;
      const sent = fetch(url, { method, mode, body: method === "GET" ? null : body });
      return sent.catch((error) => { throw failure("network", error.message); });
    }

    async function sendAndTell(submitter) {
      const response = await send(submitter);
      const problem = await denial(response);
      if (!problem) emit("response", { response });
      else if (emit("denied", { response, problem })) say(texts[problem.retry]);
    }

    function submit(event) {
      const { submitter, timeStamp } = event;
      if (event.defaultPrevented || attribute("method", submitter).toLowerCase() === "dialog") return;
      const token = !busy && current && current.result();
      if (!token || ajax) event.preventDefault();
      if (busy || (!token && timeStamp - last < TWICE)) return;
      last = timeStamp;
      say();
      if (!token) return ask(submitter).catch(complain);
      busy = true; // until it is gone: the browser reads a form right after this event
      const gone = ajax ? sendAndTell(submitter).catch(complain) : new Promise((done) => setTimeout(done)).then(reset);
      gone.then(() => (busy = false));
    }

    const on = (target, name, hear) => target.addEventListener(name, hear, { signal: listening.signal });
    on(form, "submit", submit);
    on(form, "reset", reset);
    on(window, "pageshow", (event) => event.persisted && reset()); // back again, with the page as it was left
    say();
    fill();
    ready().catch(complain);

    const handle = {
      form,
      ready,
      reset,
      /** Leave the form as it was found. */
      detach() {
        listening.abort();
        added.forEach((element) => element.remove());
        attached.delete(form);
        if (making) making.then((it) => it.destroy(), nothing);
      },
    };
    attached.set(form, handle);
    return handle;
  }

  function attachAll() {
    for (const form of document.querySelectorAll("form[data-geetest-captcha-id]")) {
      try {
        attach(form);
      } catch (error) {
        console.error(error); // one form's wrong attribute is not another form's affair
      }
    }
  }

  window.GeetestForm = { attach, captcha: (options) => captcha(options), fetch: fetchWith, denial };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", attachAll);
  else attachAll();
})();
