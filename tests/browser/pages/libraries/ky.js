import ky from "ky"; const f = document.querySelector("#f");
f.addEventListener("submit", async (event) => {
  event.preventDefault();
  const sent = window.how === "json" ? {json: Object.fromEntries(new FormData(f))} : {body: new FormData(f)};
  document.querySelector("output").textContent = await ky.post("/login", sent).text();
});
