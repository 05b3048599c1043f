/* geetest_asgi simulator: the page's way in, `initGeetest4(options, callback)`. It guards nothing.

   Served as /v4/gt4.js behind gcaptcha4.js, in one file, and as /v4/ct4.js, Alibaba Cloud's, which names the same
   function `initAlicom4`. It asks `/load` for a captcha and calls back with a
   `Geetest4`, always later, never within the call. No api server reached: the object is in its offline mode, or
   `offlineCb` is called if the page gave one. An error said by the server: `onError`, and no object. */
(() => {
  "use strict";

  const { ask, clientType, failure } = window.Geetest4.simulator;
  const ADDRESS = /^(https?:)\/\/(.*)\/v4\/[cg]t4\.js([?#]|$)/;
  const OFFLINE = { type: "bypass", bypass: "/v4/bypass.js" };
  const PROBLEM = { code: "60001", msg: "Config error", desc: { detail: "captchaId: a string is wanted" } };

  const web = (protocol) => (/^https?:$/.test(protocol) ? protocol : "http:") + "//";
  // Where this script is from, down to where a simulator is mounted below another app. Inline or in a bundle it has no
  // address of its own: then it is from where the simulator served it, which puts its origin in here.
  const [, scheme, home] = ADDRESS.exec(document.currentScript?.src) || ADDRESS.exec("{origin}" + "/v4/gt4.js");
  const HOME = { apiServers: [home], protocol: web(scheme) };

  function configuration(options) {
    const named = Array.isArray(options.apiServers) && options.apiServers.length > 0;
    const product = ["float", "popup", "bind"].includes(options.product) ? options.product : "float";
    const protocol = options.https ? "https://" : options.protocol || web(location.protocol);
    return { ...options, product, protocol, ...(named ? {} : HOME) }; // a protocol is for the servers it came with
  }

  const parameters = (config) => ({
    captcha_id: config.captchaId,
    challenge: config.challenge || Array.from({ length: 4 }, () => Math.random().toString(16).slice(2, 10)).join("-"),
    client_type: clientType(config),
    risk_type: config.riskType,
    user_info: config.userInfo,
    lang: config.language || navigator.language.toLowerCase(),
  });

  const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
  const camelCase = (data) => Object.fromEntries(Object.entries(data).map(([name, value]) => [camel(name), value]));

  // A page that listens is told; for one that does not, it is an exception, so that its console shows it.
  function complain(config, error) {
    if (typeof config.onError === "function") return config.onError(error);
    throw new Error(`initGeetest4: ${error.code} ${error.msg} (${error.desc.detail})`);
  }

  const later = (task) => setTimeout(task, 0); // outside of promises, where an exception of the page's is lost

  window.initGeetest4 = (options, callback) => {
    const config = configuration(options || {});
    const start = (data) => {
      const captcha = new window.Geetest4({ ...config, ...data });
      if (typeof callback === "function") callback(captcha);
    };
    if (typeof config.captchaId !== "string" || !config.captchaId) {
      later(() => complain(config, PROBLEM));
      return;
    }
    const answered = (reply) =>
      reply.status === "success" ? start(camelCase(reply.data)) : complain(config, failure(reply));
    const unreachable = () => (typeof config.offlineCb === "function" ? config.offlineCb() : start(OFFLINE));
    ask(config, "/load", parameters(config)).then(
      (reply) => later(() => answered(reply)),
      () => later(unreachable),
    );
  };
  window.initAlicom4 = window.initGeetest4;
})();
