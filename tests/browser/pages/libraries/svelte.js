import { mount } from "svelte"; import Form from "./Form.svelte.js";
mount(Form, {target: document.querySelector("#root")});
