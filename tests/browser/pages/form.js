// A site's own few lines, as GeeTest's documentation has them; `?product=` and `?id=` choose.
"use strict";
const asked = new URLSearchParams(location.search);
const form = document.querySelector("form");
const product = asked.get("product") || "float";
initGeetest4({captchaId: asked.get("id") || "sim-site", product, language: "eng"}, (captcha) => {
  captcha.appendTo("#captcha").onSuccess(() => {
    for (const [name, value] of Object.entries(captcha.getValidate())) {
      if (form.elements[name]) form.elements[name].value = value;
    }
    if (product === "bind") form.submit();
  });
  form.dataset.ready = "";
  form.addEventListener("submit", (event) => {
    if (captcha.getValidate()) return;
    event.preventDefault();
    captcha.showCaptcha();
  });
});
