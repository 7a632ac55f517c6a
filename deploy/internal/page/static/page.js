// The server renders all HTML. This script patches changes into the page, so that
// focus, typed text, scroll positions and open sections are kept, and posts what
// the visitor does. Server HTML comes from templates that escape outside text;
// text created here is set with textContent.
"use strict";

const root = document.documentElement;
const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => within.querySelectorAll(selector);

const view = { as: root.dataset.as, stack: root.dataset.stack };
let now = new Date(find("#now").dateTime); // simulated time

// ---- times, in the visitor's time zone and language

const formats = {
  date_num: { year: "numeric", month: "2-digit", day: "2-digit" },
  date_slash: { year: "numeric", month: "2-digit", day: "2-digit" },
  date: { year: "numeric", month: "long", day: "numeric" },
  date_short: { year: "numeric", month: "short", day: "numeric" },
  date_long: { year: "numeric", month: "long", day: "numeric", weekday: "long" },
  time: { hour: "numeric", minute: "2-digit" },
  time_secs: { hour: "numeric", minute: "2-digit", second: "2-digit" },
};
for (const name in formats) formats[name] = new Intl.DateTimeFormat(undefined, formats[name]);

function date(at, token) {
  const pretty = token.endsWith("_pretty");
  if (pretty) {
    const midnight = (d) => new Date(d.getFullYear(), d.getMonth(), d.getDate());
    const days = Math.round((midnight(at) - midnight(now)) / 864e5);
    if (Math.abs(days) < 2) return ["yesterday", "today", "tomorrow"][days + 1];
  }
  const format = formats[pretty ? token.slice(0, -"_pretty".length) : token];
  return format ? format.format(at) : "{" + token + "}";
}

// localize formats times like Slack's <!date^…> tokens.
function localize(within) {
  for (const el of all("time[data-format]", within)) {
    const at = new Date(el.dateTime);
    el.textContent = el.dataset.format.replace(/\{(\w+)\}/g, (_, token) => date(at, token));
  }
}

function setNow(ms) {
  now = new Date(ms);
  const el = find("#now");
  for (const t of all("time", el.parentNode)) t.dateTime = now.toISOString();
  localize(el.parentNode);
}

// ---- patching changes into the page

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE && (node.dataset.key || node.id)) || "";

// Sections that the visitor opened or closed stay that way, and so does a
// tabindex that refocus has set.
const toggled = new WeakSet();
const keepAttribute = (el, name) => (name === "open" && toggled.has(el)) || name === "tabindex";
document.addEventListener("click", (e) => {
  const summary = e.target.closest("summary");
  if (summary) toggled.add(summary.parentNode);
});

function morph(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if ("keep" in old.dataset) return;
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !keepAttribute(old, name)) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !keepAttribute(old, name)) old.removeAttribute(name);
  }
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  const byKey = new Map();
  for (const node of old.childNodes) if (keyOf(node)) byKey.set(keyOf(node), node);
  const wanted = new Set([...fresh.childNodes].map(keyOf));
  const kept = new Set();
  let cursor = old.firstChild;
  for (const node of [...fresh.childNodes]) {
    while (cursor && (kept.has(cursor) || (keyOf(cursor) && !wanted.has(keyOf(cursor))))) cursor = cursor.nextSibling;
    const key = keyOf(node);
    const same = key ? byKey.get(key) : cursor && !keyOf(cursor) ? cursor : null;
    if (same && same.nodeName === node.nodeName) {
      kept.add(same);
      if (same === cursor) cursor = cursor.nextSibling;
      else old.insertBefore(same, cursor);
      morph(same, node);
    } else {
      const added = document.importNode(node, true);
      kept.add(added);
      old.insertBefore(added, cursor);
      if (key) added.animate?.([{ backgroundColor: "var(--mine-back)" }, {}], { duration: reducedMotion.matches ? 0 : 1800 });
    }
  }
  for (const node of [...old.childNodes]) if (!kept.has(node)) node.remove();
}

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

function show(panes) {
  const ends = [...all("[data-follow]")].filter(atEnd).map((el) => el.id);
  const focus = ancestors(document.activeElement);
  for (const name in panes) {
    const place = find(`[data-pane="${name}"]`);
    const fresh = new DOMParser().parseFromString(`<body>${panes[name]}</body>`, "text/html").body;
    localize(fresh);
    const before = find("[data-announcement]", place)?.dataset.announcement;
    morphChildren(place, fresh);
    const after = find("[data-announcement]", place)?.dataset.announcement;
    if (after && after !== before) find("#announcer").textContent = after;
  }
  for (const el of all("[data-follow]")) if (!focus.moved && (ends.includes(el.id) || !("followed" in el))) follow(el);
  refocus(focus);
  showModal();
}

const atEnd = (el) => el.scrollHeight - el.scrollTop - el.clientHeight < 48;

function follow(el) {
  el.followed = true;
  el.scrollTop = el.scrollHeight;
}

// ancestors lists an element and its ancestors, so that focus can move to the
// nearest one left when a clicked button disappears.
function ancestors(el) {
  const list = [];
  for (; el && el !== document.body; el = el.parentElement) list.push(el);
  return list;
}

function refocus(list) {
  if (!list.length || list[0].isConnected) return;
  const target = list.find((el) => el.isConnected && el.matches("[tabindex], article, section, dialog"));
  if (!target) return;
  if (!target.hasAttribute("tabindex")) target.tabIndex = -1;
  target.focus({ preventScroll: true });
}

let closing = ""; // ID of the modal closed here, until the server confirms it

function showModal() {
  const dialog = find("#modal");
  const wanted = find("form", dialog);
  if (wanted?.dataset.view !== closing) closing = "";
  if (wanted && !closing && !dialog.open) dialog.showModal();
  else if (!wanted && dialog.open) dialog.close();
}

// ---- the stream

let stream;
let silenceTimer;

function listen() {
  stream?.close();
  stream = new EventSource("/api/live?" + new URLSearchParams(view));
  const on = (name, f) => stream.addEventListener(name, (e) => (alive(), f(JSON.parse(e.data))));
  on("hello", ({ build }) => build !== root.dataset.build && location.reload());
  on("panes", show);
  on("clock", setNow);
  stream.onerror = lost;
}

function alive() {
  find("#offline").hidden = true;
  clearTimeout(silenceTimer);
  silenceTimer = setTimeout(lost, 6000);
}

// lost shows that the connection is lost and reconnects. EventSource reconnects by
// itself, but gives up on an error status.
function lost() {
  find("#offline").hidden = false;
  clearTimeout(silenceTimer);
  silenceTimer = setTimeout(listen, 3000);
}

function changeView(change) {
  Object.assign(view, change);
  root.dataset.as = view.as;
  const query = new URLSearchParams(Object.entries(view).filter(([, value]) => value));
  history.replaceState(null, "", "?" + query);
  listen();
}

// ---- actions

async function send(action, body, button) {
  button?.classList.add("busy");
  try {
    const response = await fetch("/api/" + action, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ as: view.as, ...body }),
    });
    if (response.ok) return null;
    return await response.json().catch(() => ({ error: "Request failed with status " + response.status + "." }));
  } catch {
    return { error: "No connection to the program." };
  } finally {
    button?.classList.remove("busy");
  }
}

let toastTimer;
function toast(text) {
  find("#toast").textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (find("#toast").textContent = ""), 7000);
}

async function run(action, body, button) {
  const failure = await send(action, body, button);
  if (failure) toast(failure.error);
}

const onClick = {
  become: (b) => {
    const me = find(`#people input[value="${CSS.escape(b.dataset.as)}"]`);
    me.checked = true;
    me.focus();
    changeView({ as: b.dataset.as });
  },
  choose: (a) => changeView({ stack: a.dataset.stack }),
  advance: (b) => run("advance", { seconds: Number(b.dataset.seconds || 0), deadline: "deadline" in b.dataset }, b),
  cancel: (b) => run("cancel", { stack: b.dataset.stack }, b),
  signal: (b) => run("signal", { stack: b.dataset.stack }, b),
  clear: (b) => run("clear", {}, b),
  home: (b) => run("home", {}, b),
  close: (b) => run("close", { view: b.dataset.view }, b),
  click: (b) => {
    const { channel, ts, view, block, action, url, confirm } = b.dataset;
    if (confirm && !window.confirm(confirm)) return;
    if (url) window.open(url, "_blank", "noopener,noreferrer");
    run("click", { channel, ts, view, block, action }, b);
  },
};

document.addEventListener("click", (e) => {
  const el = e.target.closest("button[data-do], a[data-do]");
  if (!el || e.metaKey || e.ctrlKey || e.shiftKey) return;
  e.preventDefault();
  if (!el.classList.contains("busy")) onClick[el.dataset.do](el);
});

// sendForm posts a form with parameters. It shows a failure in the form, and otherwise
// closes the section that the form is in.
async function sendForm(action, form, body, button) {
  body.parameters = {};
  for (const el of all("[data-parameter]", form)) body.parameters[el.dataset.parameter] = el.value;
  const failure = await send(action, body, button);
  const box = find(".error", form);
  box.hidden = !failure;
  box.textContent = failure ? failure.error : "";
  for (const el of all("input, select", form)) el.removeAttribute("aria-invalid");
  for (const key of failure?.fields || []) find(`[data-parameter="${CSS.escape(key)}"], #f-${CSS.escape(key)}`, form)?.setAttribute("aria-invalid", "true");
  if (failure) {
    find("[aria-invalid]", form)?.focus();
    return false;
  }
  form.reset();
  form.closest("details").open = false;
  return true;
}

const onSubmit = {
  launch: async (form, button) => {
    const body = { name: form.elements.name.value, failure: form.elements.failure.value };
    if (await sendForm("launch", form, body, button)) changeView({ stack: "" });
  },
  update: (form, button) => sendForm("update", form, { stack: form.dataset.stack }, button),
  command: async (form, button) => {
    await run("command", { text: form.elements.text.value }, button);
    form.reset();
  },
  submit: async (form, button) => {
    const values = {};
    for (const el of all("[data-input]", form)) {
      const block = (values[el.dataset.block] ||= {});
      const choice = el.type === "radio" || el.type === "checkbox";
      if (!choice) block[el.dataset.input] = el.value;
      else block[el.dataset.input] = [block[el.dataset.input], el.checked && el.value].filter(Boolean).join(",");
    }
    for (const el of all("[data-error]", form)) el.textContent = "";
    const failure = await send("submit", { view: form.dataset.view, values }, button);
    const place = failure?.fields && find(`[data-error="${CSS.escape(failure.fields[0])}"]`, form);
    if (place) place.textContent = failure.error;
    else if (failure) toast(failure.error);
  },
};

document.addEventListener("submit", (e) => {
  e.preventDefault();
  const button = e.submitter;
  if (!button?.classList.contains("busy")) onSubmit[e.target.dataset.do]?.(e.target, button);
});

find("#people").addEventListener("change", (e) => changeView({ as: e.target.value }));
find("#modal").addEventListener("close", () => {
  const form = find("#modal form");
  if (!form) return; // the server closed it; otherwise Escape did
  closing = form.dataset.view;
  run("close", { view: closing });
});

localize(document);
for (const el of all("[data-follow]")) follow(el);
showModal();
listen();
