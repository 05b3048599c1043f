// Loads the widget the way GeeTest's own gt4.js does it (4.0.6 to 4.1.8), written for this test from what that does:
// /load by JSONP; keys in camel case; gct_path and static_path + js from the page's staticServers, else from those of
// the answer; each script once for all captchas of the page; /v4/bypass.js in an outage; then new Geetest4(config).
"use strict";
(() => {
  const loading = new Map();

  function script(url) {
    return new Promise((done, failed) => {
      const it = document.createElement("script");
      Object.assign(it, {src: url, async: true, charset: "UTF-8", crossOrigin: "anonymous"});
      it.onload = () => setTimeout(done, 0);
      it.onerror = failed;
      document.getElementsByTagName("head")[0].appendChild(it);
    });
  }

  function once(url) {
    if (!loading.has(url)) loading.set(url, script(url));
    return loading.get(url);
  }

  const bare = (host) => host.replace(/^https?:\/\/|\/$/g, "");
  const address = (protocol, host, path) => protocol + bare(host) + path.replace(/\/+/g, "/");
  const camel = (key) => key.replace(/(\S)(_([a-zA-Z]))/g, (match, before, rest) => before + rest[1].toUpperCase());

  function load(config) {
    return new Promise((done, failed) => {
      const callback = "geetest_" + (Math.floor(Math.random() * 10000) + Date.now());
      window[callback] = (answer) => { delete window[callback]; done(answer); };
      const query = new URLSearchParams({callback, captcha_id: config.captchaId, client_type: "web", lang: "en-us"});
      script(address(config.protocol, config.apiServers[0], "/load") + "?" + query).catch(failed);
    });
  }

  window.initGeetest4 = async (options, callback) => {
    const config = {...options};
    const outage = {status: "success", data: {type: "bypass", bypass: "/v4/bypass.js"}};
    const answer = await load(config).catch(() => outage);
    if (answer.status === "error") return config.onError({desc: answer.desc, msg: answer.msg, code: answer.code});
    const data = Object.fromEntries(Object.entries(answer.data).map(([key, value]) => [camel(key), value]));
    const host = (options.staticServers || data.staticServers)[0];
    if (data.gctPath) await once(address(config.protocol, host, data.gctPath));
    await once(address(config.protocol, host, data.bypass || data.staticPath + data.js));
    Object.assign(config, data);
    setTimeout(() => callback(new window.Geetest4(config)), 0);
  };
})();
