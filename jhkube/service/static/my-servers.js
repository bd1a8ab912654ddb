"use strict";

// The theme that the person has chosen on the hub's own pages.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const setTheme = () => {
  const chosen = localStorage.getItem("jupyterhub-bs-theme");
  const theme = chosen === "light" || chosen === "dark" ? chosen : dark.matches ? "dark" : "light";
  document.documentElement.setAttribute("data-bs-theme", theme);
};
setTheme();
dark.addEventListener("change", setTheme);

const find = (name, where = document) => where.querySelector(`[data-${name}]`);
const headers = () => ({ "X-XSRFToken": document.querySelector("meta[name=xsrf]").content });
const setText = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

// One part of the page is made like another, and nodes that stay are kept: with them the focus, what is unfolded, where
// one has scrolled to, and what is being typed.
const keyOf = (node) => `${node.nodeName} ${node.dataset?.key ?? node.id ?? ""}`;

const setAttributes = (now, wanted) => {
  for (const { name } of [...now.attributes])
    if (!wanted.hasAttribute(name) && name !== "open") now.removeAttribute(name);
  for (const { name, value } of wanted.attributes)
    if (name !== "open" && now.getAttribute(name) !== value) now.setAttribute(name, value);
};

const makeAlike = (now, wanted) => {
  if (now.nodeType !== Node.ELEMENT_NODE) {
    if (now.nodeValue !== wanted.nodeValue) now.nodeValue = wanted.nodeValue;
    return;
  }
  if (now.hasAttribute("data-own") || now.isEqualNode(wanted)) return;
  setAttributes(now, wanted);
  const left = [...now.childNodes];
  const pairs = [...wanted.childNodes].map((node) => {
    const place = left.findIndex((each) => keyOf(each) === keyOf(node));
    return [place < 0 ? null : left.splice(place, 1)[0], node];
  });
  for (const node of left) node.remove();
  let place = now.firstChild;
  for (const [old, node] of pairs) {
    if (old === null) now.insertBefore(document.importNode(node, true), place);
    else if (old !== place) now.insertBefore(old, place);
    else place = place.nextSibling;
    if (old !== null) makeAlike(old, node);
  }
};

// What may change is brought up to date while somebody sees it. Where that fails, the page says since when.
const EVERY = 3000;
const SLOWEST = 30000;
const ANSWERS_IN = 20000;
let upToDate = new Date();
let asked = performance.now();
let wait = EVERY;
let timer = 0;

const isStale = (why) => {
  const line = find("stale");
  setText(line, why ? `Not up to date since ${upToDate.toLocaleTimeString()}. ${why}` : "");
  line.hidden = !why;
};

class NoMore extends Error {}

const update = async () => {
  const url = new URL(location.href);
  if (follower.hasLog) url.searchParams.set("log", "no");
  let answer;
  try {
    answer = await fetch(url, { headers: headers(), redirect: "manual", signal: AbortSignal.timeout(ANSWERS_IN) });
  } catch {
    throw new Error("There is no answer. This page tries again.");
  }
  if (answer.type === "opaqueredirect" || answer.status === 403)
    throw new NoMore("You may have to log in again: reload this page.");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!find("live", page)) {
    const said = page.querySelector("[role=alert]")?.textContent;
    throw new (answer.status === 404 ? NoMore : Error)(said || "The hub does not answer. This page tries again.");
  }
  const focused = document.activeElement;
  for (const live of document.querySelectorAll("[data-live]")) {
    const fresh = page.querySelector(`[data-live="${live.dataset.live}"]`);
    if (fresh && !(live.dataset.live === "log" && follower.hasLog)) keepingEnd(() => makeAlike(live, fresh));
  }
  // What had the focus may be gone, such as the button Start of a server that has started.
  if (focused !== document.activeElement && !focused.isConnected) find("focus")?.focus();
  upToDate = new Date();
  if (find("log") !== follower.log) follower = new Follower(find("log"));
};

const loop = async () => {
  asked = performance.now();
  try {
    await update();
    wait = EVERY;
    isStale("");
  } catch (error) {
    isStale(error.message);
    if (error instanceof NoMore) return;
    wait = Math.min(2 * wait, SLOWEST);
  }
  again(wait);
};

const again = (milliseconds) => {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(loop, milliseconds);
};

// The log as it is written, for as long as somebody sees it.
const LONGEST = 1000000;

// Whoever looks at a log's end goes on to see its end; whoever has scrolled up stays where they are.
const keepingEnd = (change) => {
  const log = find("log");
  const isAtEnd = log && log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  change();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
};

class Follower {
  stop = null;
  isHeld = false;
  isRead = false;

  constructor(log) {
    this.log = log;
    this.button = find("follow");
    this.said = find("log-state");
    if (!log || !this.button) return;
    log.scrollTop = log.scrollHeight;
    this.button.hidden = false;
    this.button.addEventListener("click", () => {
      if (!this.stop) this.begin();
      else {
        this.end("This is the log as it was. Press Follow to go on.");
        this.isHeld = true;
      }
    });
    if (!document.hidden) this.begin();
  }

  // Whether the log is no matter of the page's updates: it is followed, or to stay as it is.
  get hasLog() {
    return this.isHeld || this.isRead;
  }

  async begin() {
    const { signal } = (this.stop = new AbortController());
    this.isHeld = false;
    setText(this.button, "Stop following");
    try {
      // It ends after ten minutes, and with its container.
      while (await this.read(signal));
      this.end("The log has ended.");
    } catch (error) {
      if (!signal.aborted) this.end(error.name === "TypeError" ? "The log broke off." : error.message);
    }
  }

  async read(signal) {
    const answer = await fetch(this.log.dataset.log, { headers: headers(), redirect: "error", signal });
    if (!answer.ok) {
      const said = await answer.json().catch(() => ({}));
      throw new Error(said.message || "The log cannot be followed at the moment.");
    }
    this.isRead = true;
    setText(this.said, "New lines appear as they are written.");
    const began = performance.now();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let isFirst = true; ; isFirst = false) {
      const { done, value } = await reader.read();
      if (done) return performance.now() - began > 300000;
      keepingEnd(() => this.add(value, isFirst));
    }
  }

  add(text, isFirst) {
    const whole = isFirst ? text : this.log.textContent + text;
    if (isFirst || whole.length > LONGEST) this.log.textContent = whole.slice(-LONGEST / 2);
    else this.log.append(text);
  }

  end(why) {
    this.stop?.abort();
    this.stop = null;
    this.isRead = false;
    setText(this.button, "Follow");
    setText(this.said, why);
  }

  pause(isHidden) {
    if (isHidden && this.stop) {
      this.end("");
      this.isPaused = true;
    } else if (!isHidden && this.isPaused) {
      this.isPaused = false;
      this.begin();
    }
  }
}

let follower = new Follower(find("log"));
if (find("live")) {
  again(EVERY);
  document.addEventListener("visibilitychange", () => {
    again(Math.max(EVERY - (performance.now() - asked), 0));
    follower.pause(document.hidden);
  });
}
