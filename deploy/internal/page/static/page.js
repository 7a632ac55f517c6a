// The browser's part of the page. The server draws; this moves what is new into
// the page, so that focus, typed text, scrolling and open folds stay, and sends
// what people do. Text from the server is HTML of its own templates, in which
// all outside text is escaped; what is made here is set as text.
"use strict";

const root = document.documentElement;
const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => within.querySelectorAll(selector);

const seen = { as: root.dataset.as, stack: root.dataset.stack };
let now = new Date(find("#now").dateTime); // the world's

// ---- time, in the reader's own zone and language

const shapes = {
  date_num: { year: "numeric", month: "2-digit", day: "2-digit" },
  date_slash: { year: "numeric", month: "2-digit", day: "2-digit" },
  date: { year: "numeric", month: "long", day: "numeric" },
  date_short: { year: "numeric", month: "short", day: "numeric" },
  date_long: { year: "numeric", month: "long", day: "numeric", weekday: "long" },
  time: { hour: "numeric", minute: "2-digit" },
  time_secs: { hour: "numeric", minute: "2-digit", second: "2-digit" },
};
for (const name in shapes) shapes[name] = new Intl.DateTimeFormat(undefined, shapes[name]);

function date(at, token) {
  const pretty = token.endsWith("_pretty");
  if (pretty) {
    const midnight = (d) => new Date(d.getFullYear(), d.getMonth(), d.getDate());
    const days = Math.round((midnight(at) - midnight(now)) / 864e5);
    if (Math.abs(days) < 2) return ["yesterday", "today", "tomorrow"][days + 1];
  }
  const shape = shapes[pretty ? token.slice(0, -"_pretty".length) : token];
  return shape ? shape.format(at) : "{" + token + "}";
}

// localise writes times as Slack writes <!date^…> tokens.
function localise(within) {
  for (const el of all("time[data-format]", within)) {
    const at = new Date(el.dateTime);
    el.textContent = el.dataset.format.replace(/\{(\w+)\}/g, (_, token) => date(at, token));
  }
}

function setNow(ms) {
  now = new Date(ms);
  const el = find("#now");
  for (const t of all("time", el.parentNode)) t.dateTime = now.toISOString();
  localise(el.parentNode);
}

// ---- moving what is new into the page

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE && (node.dataset.key || node.id)) || "";

// What people have opened or folded themselves stays as they left it, and so
// does what was made to take the focus.
const touched = new WeakSet();
const theirs = (el, name) => (name === "open" && touched.has(el)) || name === "tabindex";
document.addEventListener("click", (e) => {
  const summary = e.target.closest("summary");
  if (summary) touched.add(summary.parentNode);
});

function morph(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if ("keep" in old.dataset) return;
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !theirs(old, name)) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !theirs(old, name)) old.removeAttribute(name);
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
      if (key) added.animate?.([{ backgroundColor: "var(--mine-back)" }, {}], { duration: calm.matches ? 0 : 1800 });
    }
  }
  for (const node of [...old.childNodes]) if (!kept.has(node)) node.remove();
}

const calm = matchMedia("(prefers-reduced-motion: reduce)");

function show(panes) {
  const ends = [...all("[data-follow]")].filter(atEnd).map((el) => el.id);
  const focus = path(document.activeElement);
  for (const name in panes) {
    const place = find(`[data-pane="${name}"]`);
    const fresh = new DOMParser().parseFromString(`<body>${panes[name]}</body>`, "text/html").body;
    localise(fresh);
    const said = find("[data-said]", place)?.dataset.said;
    morphChildren(place, fresh);
    const says = find("[data-said]", place)?.dataset.said;
    if (says && says !== said) find("#said").textContent = says;
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

// path is an element and what it stands in, so that the focus has somewhere to
// go when it is taken away: a pressed button that is no more.
function path(el) {
  const list = [];
  for (; el && el !== document.body; el = el.parentElement) list.push(el);
  return list;
}

function refocus(list) {
  if (!list.length || list[0].isConnected) return;
  const left = list.find((el) => el.isConnected && el.matches("[tabindex], article, section, dialog"));
  if (!left) return;
  if (!left.hasAttribute("tabindex")) left.tabIndex = -1;
  left.focus({ preventScroll: true });
}

let left = ""; // the view that was closed here, of which the server does not know yet

function showModal() {
  const dialog = find("#modal");
  const wanted = find("form", dialog);
  if (wanted?.dataset.view !== left) left = "";
  if (wanted && !left && !dialog.open) dialog.showModal();
  else if (!wanted && dialog.open) dialog.close();
}

// ---- the stream

let stream;
let silence;

function listen() {
  stream?.close();
  stream = new EventSource("/api/live?" + new URLSearchParams(seen));
  const on = (name, f) => stream.addEventListener(name, (e) => (alive(), f(JSON.parse(e.data))));
  on("hello", ({ build }) => build !== root.dataset.build && location.reload());
  on("panes", show);
  on("clock", setNow);
  stream.onerror = lost;
}

function alive() {
  find("#offline").hidden = true;
  clearTimeout(silence);
  silence = setTimeout(lost, 6000);
}

// lost says that nobody answers. The browser tries again by itself, unless it
// was told no.
function lost() {
  find("#offline").hidden = false;
  clearTimeout(silence);
  silence = setTimeout(listen, 3000);
}

function look(change) {
  Object.assign(seen, change);
  root.dataset.as = seen.as;
  const query = new URLSearchParams(Object.entries(seen).filter(([, value]) => value));
  history.replaceState(null, "", "?" + query);
  listen();
}

// ---- what people do

async function send(act, body, button) {
  button?.classList.add("busy");
  try {
    const answer = await fetch("/api/" + act, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ as: seen.as, ...body }),
    });
    if (answer.ok) return null;
    return await answer.json().catch(() => ({ error: "The program answered " + answer.status + "." }));
  } catch {
    return { error: "The program does not answer." };
  } finally {
    button?.classList.remove("busy");
  }
}

let toasted;
function toast(text) {
  find("#toast").textContent = text;
  clearTimeout(toasted);
  toasted = setTimeout(() => (find("#toast").textContent = ""), 7000);
}

async function tell(act, body, button) {
  const fault = await send(act, body, button);
  if (fault) toast(fault.error);
}

const clicks = {
  become: (b) => {
    const me = find(`#people input[value="${CSS.escape(b.dataset.as)}"]`);
    me.checked = true;
    me.focus();
    look({ as: b.dataset.as });
  },
  choose: (a) => look({ stack: a.dataset.stack }),
  advance: (b) => tell("advance", { seconds: Number(b.dataset.seconds || 0), deadline: "deadline" in b.dataset }, b),
  cancel: (b) => tell("cancel", { stack: b.dataset.stack }, b),
  signal: (b) => tell("signal", { stack: b.dataset.stack }, b),
  clear: (b) => tell("clear", {}, b),
  close: (b) => tell("close", { view: b.dataset.view }, b),
  press: (b) => {
    const { channel, ts, view, block, press, url, confirm } = b.dataset;
    if (confirm && !window.confirm(confirm)) return;
    if (url) window.open(url, "_blank", "noopener,noreferrer");
    tell("press", { channel, ts, view, block, action: press }, b);
  },
};

document.addEventListener("click", (e) => {
  const el = e.target.closest("button[data-do], a[data-do]");
  if (!el || e.metaKey || e.ctrlKey || e.shiftKey) return;
  e.preventDefault();
  if (!el.classList.contains("busy")) clicks[el.dataset.do](el);
});

const submits = {
  launch: async (form, button) => {
    const parameters = {};
    for (const el of all("[data-parameter]", form)) parameters[el.dataset.parameter] = el.value;
    const fault = await send("launch", { name: form.elements.name.value, mishap: form.elements.mishap.value, parameters }, button);
    const box = find(".error", form);
    box.hidden = !fault;
    box.textContent = fault ? fault.error : "";
    for (const el of all("input, select", form)) el.removeAttribute("aria-invalid");
    for (const key of fault?.fields || []) find("#f-" + CSS.escape(key), form)?.setAttribute("aria-invalid", "true");
    if (fault) return find("[aria-invalid]", form)?.focus();
    form.reset();
    find("#launch-fold").open = false;
    look({ stack: "" });
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
    const fault = await send("submit", { view: form.dataset.view, values }, button);
    const place = fault?.fields && find(`[data-error="${CSS.escape(fault.fields[0])}"]`, form);
    if (place) place.textContent = fault.error;
    else if (fault) toast(fault.error);
  },
};

document.addEventListener("submit", (e) => {
  e.preventDefault();
  const button = e.submitter;
  if (!button?.classList.contains("busy")) submits[e.target.dataset.do]?.(e.target, button);
});

find("#people").addEventListener("change", (e) => look({ as: e.target.value }));
find("#modal").addEventListener("close", () => {
  const form = find("#modal form");
  if (!form) return; // the server closed it; else Escape did
  left = form.dataset.view;
  tell("close", { view: left });
});

localise(document);
for (const el of all("[data-follow]")) follow(el);
showModal();
listen();
