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

// Bring the part that changes up to date; not while somebody is in it, and not in a tab that nobody sees.
const EVERY = 3000;
const update = async () => {
  const live = document.querySelector("[data-live]");
  if (!live || document.hidden || live.contains(document.activeElement)) return;
  const xsrf = document.querySelector("meta[name=xsrf]").content;
  const answer = await fetch(location.href, { headers: { "X-XSRFToken": xsrf }, redirect: "error" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-live]");
  if (!fresh || fresh.dataset.live !== live.dataset.live || fresh.innerHTML === live.innerHTML) return;
  const log = live.querySelector(".my-servers-log");
  const atEnd = !log || log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  const place = log ? log.scrollTop : 0;
  live.replaceChildren(...fresh.childNodes);
  const next = live.querySelector(".my-servers-log");
  if (next) next.scrollTop = atEnd ? next.scrollHeight : place;
};
const loop = async () => {
  try {
    await update();
  } catch {
    // The hub or the network is away: the page stays as it is.
  }
  setTimeout(loop, EVERY);
};
setTimeout(loop, EVERY);
