// What a site does with a token, whatever its framework.
export const product = new URLSearchParams(location.search).get("product");

export async function logIn(token) {
  const response = await fetch("/login", {method: "POST", body: new URLSearchParams({...token, username: "ada"})});
  document.querySelector("output").textContent = JSON.stringify(await response.json());
}
