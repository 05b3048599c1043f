import { createElement as h, useState } from "react";
import { createRoot } from "react-dom/client";
const send = async (name) => (await fetch("/login", {method: "POST", headers: {"content-type": "application/json"},
  body: JSON.stringify({username: name})})).text();
function Form({how}) {
  const [name, setName] = useState("ada"), [answer, setAnswer] = useState("");
  const byListener = {onSubmit: async (event) => { event.preventDefault(); setAnswer(await send(name)); }};
  const byAction = {action: async (data) => setAnswer(await send(data.get("username")))};
  const controlled = {name: "username", value: name, onChange: (event) => setName(event.target.value)};
  return h("div", null,
    h("form", {"data-geetest-captcha-id": "sim-site", "data-geetest-product": "bind",
               "data-geetest-when": window.when, ...(how === "action" ? byAction : byListener)},
      h("input", how === "action" ? {name: "username", defaultValue: "ada"} : controlled), h("button", {id: "go"}, "Log in")),
    h("output", null, answer));
}
createRoot(document.querySelector("#root")).render(h(Form, {how: window.how}));
