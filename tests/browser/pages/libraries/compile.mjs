// Let Svelte's compiler make a script of Form.svelte.
import { compile } from "svelte/compiler";
import { readFileSync, writeFileSync } from "node:fs";

writeFileSync("Form.svelte.js", compile(readFileSync("Form.svelte", "utf8"), {}).js.code);
