// The index page: the model, its features and the routes. If API keys are required, most of it needs one.
"use strict";

const element = (id) => document.getElementById(id);
const put = (id, text) => { element(id).textContent = text; };
const show = (id, isVisible) => { element(id).hidden = !isVisible; };
const notice = (text) => { put("notice", text); show("notice", text !== ""); };
const fill = (id, rows) => {
  element(id).replaceChildren();
  for (const cells of rows) {
    const row = element(id).insertRow();
    for (const cell of cells) row.insertCell().textContent = cell ?? "";
  }
};
const range = (low, high) =>
  low == null && high == null ? "" : low == null ? `≤ ${high}` : high == null ? `≥ ${low}` : `${low} to ${high}`;
const listed = (values = []) =>
  values.length > 8 ? `${values.slice(0, 8).join(", ")}, … (${values.length})` : values.join(", ");

// The status is 0 if there was no answer; `json` is undefined if the answer is not JSON.
async function get(path, headers = {}) {
  const key = tabKey.get();
  try {
    const answer = await fetch(path, { headers: { ...headers, ...(key && { "X-API-Key": key }) }, cache: "no-store" });
    const text = await answer.text();
    let json;
    try { json = JSON.parse(text); } catch { /* For example the metrics. */ }
    return { status: answer.status, text, json, reason: json?.detail ?? `${answer.status} ${answer.statusText}` };
  } catch (error) {
    return { status: 0, text: "", json: undefined, reason: "The service cannot be reached." };
  }
}

let isLocked = false; // Whether the service requires keys and this tab has none.

function lock(reason) {
  notice(reason);
  for (const id of ["key-form", "no-features"]) show(id, true);
  for (const id of ["features-table", "answer", "status"]) show(id, false);
  show("key-held", tabKey.get() !== "");
  fill("features", []);
  put("name", "Tabento");
  put("about", "This service requires an API key.");
  isLocked = true;
}

// Whether the answer rejects the key; then the page shows the reason, and asks for another key if it needs one.
function rejectsKey({ status, reason }) {
  if (status === 403) {
    // The key is kept: any valid key is enough for the rest of the page.
    notice(`${reason} This link needs a key with that scope.`);
    return true;
  }
  if (status !== 401) return false;
  const had = tabKey.get() !== "";
  tabKey.forget();
  lock(had ? "The key is invalid: mistyped, expired or revoked." : "");
  return true;
}

function showModel(info) {
  const { contract, lineage } = info;
  document.title = info.model_name;
  put("name", info.model_name);
  put("about", `Version ${info.model_version} predicts ${contract.target.name}: ${listed(info.classes)}. ` +
    `Trained ${lineage.trained_utc} on ${lineage.data_rows} rows of ${lineage.data_name}.`);
  fill("features", contract.features.map((feature) => [
    feature.name, feature.type + (feature.nullable ? " or null" : ""), feature.unit,
    feature.closed ? listed(feature.categories) : range(feature.minimum, feature.maximum),
    feature.categories?.length ? listed(feature.categories) : range(feature.observed_minimum, feature.observed_maximum),
  ]));
  show("features-table", true);
  for (const id of ["key-form", "no-features"]) show(id, false);
  show("key-held", tabKey.get() !== "");
  notice("");
  isLocked = false;
}

async function showHealth() {
  const { json } = await get("health");
  const badge = element("status");
  badge.className = `badge ${json?.status ?? ""}`;
  badge.textContent = json?.status ?? "unknown";
  show("status", true);
}

async function showModelAndHealth() {
  const info = await get("model/info");
  if (info.status === 200) {
    showModel(info.json);
    await showHealth();
  } else if (!rejectsKey(info)) {
    notice(`The model cannot be shown: ${info.reason}`);
    put("status", "unknown");
  }
}

function showExample(api) {
  if (api.status !== 200) return put("curl", `Not available: ${api.reason}`);
  const body = JSON.stringify(api.json.paths["/predict"].post.requestBody.content["application/json"].example);
  const key = api.json.components.securitySchemes ? "  -H 'X-API-Key: YOUR_KEY' \\\n" : "";
  put("curl", `curl ${new URL("predict", location.href)} \\\n${key}  -H 'Content-Type: application/json' \\\n` +
    `  -d '${body.replaceAll("'", "'\\''")}'`);
}

async function start() {
  const api = await get("docs.json");
  showExample(api);
  const home = await get(location.pathname, { accept: "application/json" });
  fill("routes", home.status === 200 ? Object.entries(home.json.routes) : [[`Not available: ${home.reason}`]]);
  if (api.json?.components.securitySchemes && tabKey.get() === "") lock("");
  else await showModelAndHealth();
}

// A link cannot send a key: if one is required, the page fetches the target and shows the answer.
async function follow(event) {
  if (!isLocked && tabKey.get() === "") return;
  event.preventDefault();
  if (isLocked) {
    notice("This needs an API key.");
    return element("key").focus();
  }
  const path = event.currentTarget.getAttribute("href");
  const answer = await get(path);
  if (rejectsKey(answer)) return;
  notice("");
  put("answer-path", `GET /${path}`);
  put("answer-text", answer.status === 0 ? answer.reason
    : answer.json === undefined ? answer.text : JSON.stringify(answer.json, null, 2));
  show("answer", true);
}

for (const link of document.querySelectorAll("a[data-read]")) link.addEventListener("click", follow);
element("answer-close").addEventListener("click", () => show("answer", false));
element("forget").addEventListener("click", () => { tabKey.forget(); lock(""); });
element("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = element("key").value.trim();
  element("key").value = "";
  if (!/^[\x21-\x7e]+$/.test(key)) return notice("The key is invalid: keys are ASCII letters, digits and signs.");
  tabKey.keep(key);
  showModelAndHealth();
});
start();
