// Does what GeeTest's own gt4.js does, written for these tests from what 4.0.6, 4.1.1, 4.1.5, 4.1.8, 4.2.0 and 4.2.1 do
// (read and run 2026-11-23). Where they differ it does as the newest: it brings the widget's script again for a captcha
// that is made later, which up to 4.1.5 they did not.
"use strict";
(() => {
  const PATIENCE = 10000; // milliseconds for one script, unless the page gives `timeout`
  const OUTAGE = {type: "bypass", bypass: "/v4/bypass.js"};
  const waiting = new Map(); // type of captcha: who waits for its script; null once that could not be had

  const noNetwork = (code, what) => ({code, msg: "Network failure", desc: {detail: `${what} resource load timeout`}});

  /** A script, which stays where it is put; `then` is told whether it failed. */
  function bring(url, patience, then) {
    const it = Object.assign(document.createElement("script"), {charset: "UTF-8", async: true, src: url});
    let ended = false;
    const fail = () => { ended = true; then(true); };
    it.onerror = fail;
    it.onload = () => { ended = true; setTimeout(() => then(false), 0); };
    document.getElementsByTagName("head")[0].append(it);
    setTimeout(() => {
      if (ended) return;
      it.onerror = it.onload = null;
      it.remove();
      fail();
    }, patience || PATIENCE);
  }

  function address(config, host, path) {
    const place = host.replace(/^https?:\/\/|\/$/g, "");
    return config.protocol + place + ("/" + path).replace(/\/+/g, "/");
  }

  /** From the first server that has it. */
  function bringFrom(servers, config, path, then) {
    const [server, ...others] = servers;
    bring(address(config, server, path), config.timeout, (failed) => {
      if (failed && others.length) bringFrom(others, config, path, then);
      else then(failed);
    });
  }

  const question = (config) => ({
    captcha_id: config.captchaId,
    challenge: config.challenge || crypto.randomUUID(),
    client_type: config.clientType || (/Mobi/i.test(navigator.userAgent) ? "h5" : "web"),
    risk_type: config.riskType,
    user_info: config.userInfo,
    call_type: config.callType,
    lang: config.language || navigator.language.toLowerCase(),
  });

  /** By JSONP, under a new name for each server: one that answers too late finds a function that does nothing. */
  function ask(servers, config, answered, nobody) {
    const [server, ...others] = servers;
    const callback = `geetest_${Math.floor(Math.random() * 10000) + Date.now()}`;
    const asked = Object.entries({callback, ...question(config)}).filter(([, value]) => value !== undefined);
    window[callback] = (answer) => {
      answered(answer.status === "success" ? answer.data : answer);
      delete window[callback];
    };
    bring(address(config, server, "/load") + "?" + new URLSearchParams(asked), config.timeout, (failed) => {
      if (!failed) return; // even if nothing called back: then the page waits for ever
      window[callback] = () => { window[callback] = null; };
      if (others.length) ask(others, config, answered, nobody);
      else nobody();
    });
  }

  const camel = (key) => key.replace(/(\S)_([a-zA-Z])/g, (match, before, after) => before + after.toUpperCase());
  function camelCase(value) {
    if (Array.isArray(value)) return value.map(camelCase);
    if (value !== Object(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [camel(key), camelCase(inner)]));
  }

  function complain(config, {code, msg, desc}) {
    if (typeof config.onError !== "function") throw new Error(msg);
    config.onError({desc, msg, code});
  }

  /** The widget's script, once for all who wait for it now. Of a failure only the first is told, and whoever comes later. */
  function withWidget(config, data, ready) {
    const unhad = () => complain(config, noNetwork("60204", "js"));
    const servers = config.staticServers || data.staticServers;
    const queue = waiting.get(data.type);
    if (queue === null) return unhad();
    if (queue) return queue.push(ready);
    waiting.set(data.type, [ready]);
    if (data.gctPath) bringFrom(servers, config, data.gctPath, (no) => no && complain(config, noNetwork("60205", "gct")));
    bringFrom(servers, config, data.bypass || data.staticPath + data.js, (failed) => {
      const queued = waiting.get(data.type);
      if (failed) waiting.set(data.type, null);
      else waiting.delete(data.type);
      if (failed) unhad();
      else queued.forEach((start) => start());
    });
  }

  window.initGeetest4 = (options, callback) => {
    const protocol = options.https ? "https://" : options.protocol || location.protocol + "//";
    const config = {...options, protocol};
    const make = (answer) => {
      const data = camelCase(answer);
      if (data.status === "error") return complain(config, data);
      withWidget(config, data, () => callback(new window.Geetest4(Object.assign(config, data))));
    };
    const nobody = () => (typeof config.offlineCb === "function" ? config.offlineCb() : make(OUTAGE));
    ask(config.apiServers, config, make, nobody);
  };
})();
