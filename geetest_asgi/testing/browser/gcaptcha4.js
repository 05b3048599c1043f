/* geetest_asgi simulator: the widget, `window.Geetest4(config)`. It guards nothing, and says so on its badge.

   A stand-in for GeeTest's browser script, written from its documentation: the same options, methods and events.
   `initGeetest4` of gt4.js, ours or a genuine one, brings the answer of `/load` in `config` and makes the object.

     texts, styles     what is said and how it looks; styles by CSSOM alone, so no Content-Security-Policy minds them
     ask               JSONP, server after server; the page's policy has to allow scripts of the simulator, no more
     createEvents      listeners, late ones included
     createService     one captcha at a time: `/verify` its tries, `/load` another once it is used up
     createButton      float and popup: what `appendTo` puts into the page
     createBox         the dialog in which a try is made: beside the button (float) or on top of all (popup, bind)
     Geetest4          the public object: ties them together, and is the only one that knows what state all is in */
(() => {
  "use strict";

  // GeeTest's gt4.js brings this again for each captcha that is made later (4.1.8 to 4.2.1 do): ids, styles and the
  // policy are the page's, so the first one stays.
  if (window.Geetest4?.simulator) return;

  const nonce = document.currentScript?.nonce || ""; // for a page whose policy names scripts by nonce
  const TIMEOUT = 30000; // milliseconds for one request, as GeeTest's documentation has it
  const SHOWN = 700; // milliseconds for which a box says that it was solved
  const OFFLINE = {
    lot_number: "V000000cabf2f4f37bbb10c358b865c41",
    captcha_output: "1X_RK3ag_IklW15iHhSywQ==",
    pass_token: "2cc051e0".padEnd(64, "0"),
    gen_time: "1623828054",
  };

  // --- texts ---------------------------------------------------------------------------------------------------------

  const ENGLISH = {
    lang: "en",
    badge: "Simulated",
    about: "A stand-in for GeeTest, for tests. It guards nothing.",
    idle: "Click to verify",
    offline: "Offline: tap to go on",
    busy: "Checking…",
    solved: "Verified",
    failed: "That was wrong. Try again.",
    error: "Error: click to try again",
    title: "Are you human?",
    offlineTitle: "GeeTest cannot be reached",
    solve: "I am human",
    fail: "Fail this try",
    refresh: "Get another captcha",
    close: "Close",
  };
  const CHINESE = {
    lang: "zh-Hans",
    badge: "模拟",
    about: "GeeTest 的测试替身，不提供任何防护。",
    idle: "点击进行验证",
    offline: "离线：点击继续",
    busy: "验证中…",
    solved: "验证成功",
    failed: "验证失败，请重试。",
    error: "出错了：点击重试",
    title: "请确认您是真人",
    offlineTitle: "无法连接 GeeTest",
    solve: "我是真人",
    fail: "故意失败一次",
    refresh: "换一个验证码",
    close: "关闭",
  };
  // Every code of Chinese gets it, the traditional ones too; whatever else there is gets English.
  const textsIn = (language) => (/^zh/i.test(language || navigator.language) ? CHINESE : ENGLISH);

  // --- styles --------------------------------------------------------------------------------------------------------

  const STYLES = "{gcaptcha4.css}"; // the file beside this one, put in when it is served
  let sheet = null;

  /** Bring the styles to where `element` is: the document, or the shadow tree of a web component. */
  function style(element) {
    const root = element.getRootNode();
    if (!root.adoptedStyleSheets) return;
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLES);
    }
    if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
  }

  // --- small tools ---------------------------------------------------------------------------------------------------

  const later = (task) => setTimeout(task, 0);
  const report = window.reportError ? window.reportError.bind(window) : console.error;
  let made = 0; // elements that were given an id

  /** An element; `on…` are listeners, everything else an attribute. */
  function element(tag, attributes, ...children) {
    const it = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) it.addEventListener(name.slice(2), value);
      else it.setAttribute(name, value);
    }
    it.append(...children);
    return it;
  }
  const button = (name, click, text, more) =>
    element("button", { type: "button", class: name, onclick: click, ...more }, ...(text ? [text] : []));
  const badge = (texts) => element("span", { class: "geetest_badge", title: texts.about }, texts.badge);
  const newId = () => `geetest_sim_${++made}`;

  /** What `appendTo` was given. An id first: `#captcha-:r1:` is one, and no selector. */
  function find(target) {
    if (typeof target !== "string") return target?.nodeType ? target : target?.[0]?.nodeType ? target[0] : null;
    const byId = document.getElementById(target.replace(/^#/, ""));
    if (byId) return byId;
    try {
      return document.querySelector(target);
    } catch {
      return null;
    }
  }

  // --- the way to the servers ----------------------------------------------------------------------------------------

  let policy = null; // a page may demand that addresses of scripts come from a named policy
  function trusted(url) {
    try {
      policy ||= window.trustedTypes?.createPolicy("geetest-simulator", { createScriptURL: (address) => address });
    } catch {
      policy = null;
    }
    return policy ? policy.createScriptURL(url) : url;
  }

  function script(url, timeout) {
    return new Promise((done, failed) => {
      const it = document.createElement("script");
      const end = (how) => () => {
        clearTimeout(timer);
        it.remove();
        how();
      };
      const timer = setTimeout(end(failed), timeout);
      if (nonce) it.nonce = nonce;
      it.onload = end(done);
      it.onerror = end(failed);
      it.src = trusted(url);
      document.head.append(it);
    });
  }

  const bare = (server) => String(server).replace(/^https?:\/\/|\/+$/g, "");

  /** The answer of the first server that gives one. */
  async function ask(config, path, parameters) {
    for (const server of config.apiServers) {
      const callback = `geetest_${Date.now()}_${++made}`;
      const given = Object.entries({ ...parameters, callback }).filter(([, value]) => value != null);
      const url = `${config.protocol}${bare(server)}${path}?${new URLSearchParams(given)}`;
      let reply = null;
      window[callback] = (answer) => (reply = answer);
      await script(url, Number(config.timeout) || TIMEOUT).catch(() => {});
      if (reply) {
        delete window[callback];
        return reply;
      }
      window[callback] = () => delete window[callback]; // should it answer after all
    }
    throw new Error("no api server answers");
  }

  const clientType = (config) => config.clientType || (/Mobi/i.test(navigator.userAgent) ? "h5" : "web");

  const failure = ({ code, msg, desc }) => ({ code, msg, desc: { ...desc, detail: desc?.detail || msg } });
  const UNREACHABLE = failure({ code: "60203", msg: "Network failure", desc: { detail: "validate request timeout" } });
  const NO_PLACE = failure({ code: "60002", msg: "Config error", desc: { detail: "appendTo: no such element" } });

  function createService(config) {
    const { lotNumber: lot_number, payload, processToken: process_token } = config;
    const id = { captcha_id: config.captchaId, client_type: clientType(config), user_info: config.userInfo };
    const risk_type = config.captchaType || config.riskType;
    let paper = lot_number && payload ? { lot_number, payload, process_token } : null;

    async function load() {
      const reply = await ask(config, "/load", { ...id, risk_type: config.riskType, lang: config.language });
      if (reply.status === "success") paper = reply.data;
      return reply;
    }
    /** One try. Resolves to the server's answer, good or bad. */
    async function verify(right) {
      if (!paper) {
        const reply = await load();
        if (reply.status !== "success") return reply;
      }
      const { lot_number, payload, process_token } = paper;
      paper = null; // a payload is good for one try
      const w = right ? "solved" : "failed";
      const papers = { lot_number, payload, process_token, payload_protocol: 1 };
      const reply = await ask(config, "/verify", { ...id, ...papers, risk_type, w });
      if (reply.data?.result === "fail") paper = reply.data;
      return reply;
    }
    return { verify, forget: () => (paper = null) };
  }

  // --- events --------------------------------------------------------------------------------------------------------

  function createEvents() {
    const listeners = new Map();
    const lasting = new Set(); // what has happened for good: whoever listens later is told at once
    let ended = false;

    function tell(listener, value) {
      if (ended) return;
      try {
        listener(value);
      } catch (wrong) {
        report(wrong); // a listener that fails is the page's affair, and keeps no other from being told
      }
    }
    return {
      on(name, listener) {
        if (typeof listener !== "function") return;
        listeners.set(name, [...(listeners.get(name) || []), listener]);
        if (lasting.has(name)) later(() => tell(listener));
      },
      emit: (name, value) => (listeners.get(name) || []).forEach((listener) => tell(listener, value)),
      emitForGood(name) {
        if (lasting.has(name)) return;
        lasting.add(name);
        this.emit(name);
      },
      end: () => (ended = true),
    };
  }

  // --- what is seen --------------------------------------------------------------------------------------------------

  function createButton(config, texts, press) {
    const tip = element("span", { class: "geetest_tip" });
    const status = element("span", { class: "geetest_status", role: "status" });
    const about = element("span", { class: "geetest_status", id: newId() }, texts.about);
    const mark = element("span", { class: "geetest_mark", "aria-hidden": "true" });
    const click = button("geetest_btn_click", press, "", { "aria-describedby": about.id });
    click.append(mark, tip, badge(texts));
    const root = element("div", { class: "geetest_sim geetest_captcha", lang: texts.lang, dir: "ltr" });
    root.append(click, status, about);
    const { width = "260px", height = "50px" } = config.nativeButton || {};
    Object.assign(root.style, { width, height, fontSize: `${16 * (Number(config.rem) || 1)}px` });
    return {
      root,
      show(state, text) {
        root.dataset.state = state;
        tip.textContent = text;
        click.setAttribute("aria-disabled", String(state === "busy" || state === "solved"));
        status.textContent = state === "solved" || state === "error" ? text : "";
      },
    };
  }

  /** The buttons under the big one: what the page did not hide, and what makes sense. */
  function createBar(config, texts, offline, actions) {
    const hidden = Array.isArray(config.hideBar) ? config.hideBar : [];
    const icon = (name, sign, title) =>
      button(`geetest_${name}`, actions[name], sign, { "aria-label": title, title });
    const bar = element("div", { class: "geetest_bar" });
    if (!offline) bar.append(button("geetest_fail", actions.fail, texts.fail));
    if (!offline && !hidden.includes("refresh")) bar.append(icon("refresh", "↻", texts.refresh));
    if (!hidden.includes("close")) bar.append(icon("close", "✕", texts.close));
    return bar;
  }

  /** `actions`: solve, fail, refresh, close (the visitor's wish). */
  function createBox(config, texts, offline, actions) {
    const title = element("h2", { class: "geetest_title", id: newId() }, offline ? texts.offlineTitle : texts.title);
    const about = element("p", { class: "geetest_text", id: newId() }, texts.about);
    const result = element("p", { class: "geetest_result", role: "status" });
    const solve = button("geetest_solve", actions.solve, offline ? texts.offline : texts.solve);
    const head = element("div", { class: "geetest_head" }, title, badge(texts));
    const panel = element("div", { class: "geetest_panel" }, head, about, result, solve);
    panel.append(createBar(config, texts, offline, actions));
    const named = { "aria-labelledby": title.id, "aria-describedby": about.id, lang: texts.lang, dir: "ltr" };
    const root = element("dialog", { class: "geetest_sim geetest_box", ...named }, panel);
    root.style.fontSize = `${16 * (Number(config.rem) || 1)}px`;
    if (config.nextWidth) root.style.width = config.nextWidth;
    if (config.mask?.bgColor) root.style.setProperty("--geetest-mask", config.mask.bgColor);

    let inside = panel; // of a modal dialog the backdrop is the dialog itself; a click on the button is not outside
    const escape = (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      actions.close();
    };
    const outside = (event) => {
      if (!event.composedPath().includes(inside) && config.mask?.outside !== false) actions.close();
    };
    function listen(how) {
      document[how]("keydown", escape, true);
      document[how]("pointerdown", outside, true);
    }
    root.addEventListener("cancel", (event) => {
      event.preventDefault();
      actions.close();
    });
    return {
      root,
      isOpen: () => root.open,
      /** Beside what is in `home`; without it on top of the page, which then waits. */
      open(home) {
        inside = home || panel;
        (home || document.body).append(root);
        style(root);
        if (home) placeBox(root); // before it has the focus: the browser would scroll the page to it
        if (home) root.show();
        else root.showModal();
        listen("addEventListener");
      },
      close() {
        if (root.open) root.close();
        listen("removeEventListener"); // now: the dialog's own event comes late, perhaps after it was opened again
      },
      show(state, text) {
        root.dataset.state = state;
        result.textContent = text;
        const waits = state === "busy" || state === "solved";
        solve.setAttribute("aria-disabled", String(waits));
      },
    };
  }

  /** Below the button, or above it where there is more room; the focus scrolls to what is still out of sight. */
  function placeBox(root) {
    root.toggleAttribute("open", true); // or it has no size
    Object.assign(root.style, { left: "0", top: "", bottom: "" });
    const { right, bottom, height } = root.getBoundingClientRect();
    const { clientWidth, clientHeight } = document.documentElement;
    const over = right - clientWidth + 8;
    if (over > 0) root.style.left = `${-over}px`;
    const above = root.parentElement.getBoundingClientRect().top;
    if (bottom > clientHeight && above > height + 16) Object.assign(root.style, { top: "auto", bottom: "calc(100% + .5em)" });
    root.toggleAttribute("open", false);
  }

  // --- the public object ---------------------------------------------------------------------------------------------

  window.Geetest4 = function Geetest4(config) {
    const captcha = this;
    const texts = textsIn(config.language);
    const offline = config.type === "bypass" || Boolean(config.bypass);
    const bind = config.product === "bind";
    const events = createEvents();
    const service = createService(config);
    let state = "idle"; // idle, busy, solved, failed, error; or destroyed
    let token = false;
    let round = 0; // counts resets: an answer to an older round is not heard

    function become(next) {
      state = next;
      const resting = next === "idle" || next === "failed";
      view.show(resting ? "idle" : next, resting ? (offline ? texts.offline : texts.idle) : texts[next]);
      box.show(next, next === "idle" ? "" : texts[next]);
    }

    async function attempt(right) {
      if (state === "busy" || state === "solved" || state === "destroyed") return;
      const mine = round;
      become("busy");
      const reply = await (offline ? offlineReply() : service.verify(right)).catch(() => null);
      if (mine !== round) return;
      if (reply?.status !== "success") broken(reply ? failure(reply) : UNREACHABLE);
      else if (reply.data.result === "success") solved(reply.data.seccode);
      else failed(reply.data);
    }
    async function offlineReply() {
      const seccode = { ...OFFLINE, captcha_id: config.captchaId, isOffline: true };
      return { status: "success", data: { result: "success", seccode } };
    }

    function solved(seccode) {
      token = seccode;
      become("solved");
      const mine = round;
      const shown = box.isOpen() && bind && !config.hideSuccess ? SHOWN : 0;
      setTimeout(() => mine === round && box.close(), shown);
      events.emit("success");
    }
    function failed({ lot_number, fail_count }) {
      become("failed");
      events.emit("fail", { captcha_id: config.captchaId, captcha_type: config.captchaType, lot_number, fail_count });
    }
    function broken(error) {
      become("error");
      events.emit("error", error);
    }

    function open() {
      if (state === "destroyed" || state === "busy" || box.isOpen()) return;
      if (state === "solved" && !bind) return;
      if (config.captchaType === "ai") return attempt(true); // one tap: there is no box
      if (state !== "idle") restart(); // bind has no button that shows the old result: showing it again is a new try
      events.emitForGood("nextReady");
      box.open(config.product !== "popup" && view.root.isConnected ? view.root : null);
      events.emit("boxShow");
    }
    function press() {
      if (offline) attempt(true);
      else if (box.isOpen()) closed();
      else open();
    }
    function closed() {
      if (!box.isOpen() || state === "solved") return;
      if (state === "busy") restart();
      box.close();
      events.emit("close");
    }
    function restart() {
      round += 1;
      token = false;
      become("idle");
    }
    function refresh() {
      if (state === "busy" || state === "solved") return;
      service.forget();
      restart();
    }

    const view = createButton(config, texts, press);
    const box = createBox(config, texts, offline, {
      solve: () => attempt(true),
      fail: () => attempt(false),
      refresh,
      close: closed,
    });

    const methods = {
      appendTo(target) {
        const place = find(target);
        if (state === "destroyed" || bind) return;
        if (!place) return void later(() => events.emit("error", NO_PLACE)); // once `onError` had its chance
        place.append(view.root);
        style(view.root);
      },
      reset() {
        if (state === "destroyed") return;
        box.close();
        restart();
      },
      destroy() {
        restart();
        state = "destroyed";
        box.close();
        box.root.remove();
        view.root.remove();
        events.end();
      },
      showBox: open,
      showCaptcha: open,
    };
    for (const name of ["ready", "nextReady", "boxShow", "success", "fail", "error", "close"]) {
      methods[`on${name[0].toUpperCase()}${name.slice(1)}`] = (listener) => events.on(name, listener);
    }
    // Plain functions of the object's own: they work when taken off it, and behind a framework's proxy.
    for (const [name, method] of Object.entries(methods)) captcha[name] = (...given) => (method(...given), captcha);
    captcha.getValidate = () => token && { ...token };
    captcha.isOffline = () => offline;

    become("idle");
    later(() => events.emitForGood("ready"));
  };
  window.Geetest4.simulator = { ask, clientType, failure };
})();
