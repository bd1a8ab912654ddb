(() => {
  "use strict";
  const form = document.getElementById("jhkube-form");
  const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

  for (const time of form.querySelectorAll("time[datetime]")) {
    const then = new Date(time.dateTime);
    const isToday = then.toDateString() === new Date().toDateString();
    const text = then.toLocaleString(undefined, isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
    if (time.title) time.title = text;
    else time.textContent = text;
  }

  const profiles = form.querySelectorAll("input[name=profile]");
  const showProfile = () => {
    const chosen = form.querySelector("input[name=profile]:checked");
    for (const options of form.querySelectorAll("[data-profile]"))
      options.hidden = !chosen || options.dataset.profile !== chosen.value;
  };
  for (const profile of profiles) profile.addEventListener("change", showProfile);
  showProfile();

  for (const typed of form.querySelectorAll(".jhkube-typed")) {
    const radio = typed.querySelector("input[type=radio]");
    const text = typed.querySelector("input[type=text]");
    text.addEventListener("input", () => { radio.checked = true; });
    // A click by the arrow keys has no detail: it passes through the list and must not end in a field.
    typed.addEventListener("click", (event) => { if (event.detail && event.target !== text) text.focus(); });
  }

  const wrong = form.querySelector("input[aria-invalid=true], select[aria-invalid=true]")
    || form.querySelector("[aria-invalid=true] input:checked");
  if (wrong) wrong.focus();

  const data = document.getElementById("jhkube-tags");
  const input = document.getElementById("jhkube-search");
  if (!data || !input) return;

  const SHOWN = 50;
  let complete = true;
  let tags = null;
  let known = null;
  // Ten thousand tags take a moment to read: nobody waits for it who does not search.
  const load = () => {
    if (tags) return;
    const index = JSON.parse(data.textContent);
    complete = index.complete;
    tags = [];
    for (const [title, prefix, names, steps] of index.groups) {
      const days = steps.split(" ");
      let last = 0;
      (Array.isArray(names) ? names : names.split(" ")).forEach((name, place) => {
        let date = "";
        if (days[place]) {
          last += Number(days[place]);
          date = day.format(last * 864e5);
        }
        const value = prefix + name;
        tags.push({ value, about: date || title, haystack: `${value} ${title} ${date}`.toLowerCase() });
      });
    }
    known = new Set(tags.map((tag) => tag.value));
  };

  const list = document.createElement("ul");
  list.className = "jhkube-results";
  list.id = "jhkube-results";
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Tags");
  const found = document.querySelector("#jhkube-search-about > span");
  const hint = `${Number(data.dataset.count).toLocaleString()} tags to search`;
  found.setAttribute("role", "status");
  found.textContent = hint;
  input.after(list);
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-controls", list.id],
    ["aria-expanded", "false"], ["aria-label", "Search all tags"]]) input.setAttribute(name, value);
  input.placeholder = "Search: a name, a kind or a date";

  let active = -1;
  const close = () => {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const check = () => {
    const text = input.value.trim();
    if (text) load();
    const isWrong = complete && text && !known.has(text) && document.getElementById("jhkube-searched").checked;
    input.setCustomValidity(isWrong ? "There is no such tag. Choose one of the list." : "");
  };
  const take = (value) => {
    input.value = value;
    document.getElementById("jhkube-searched").checked = true;
    found.textContent = hint;
    check();
    close();
  };
  const label = (value, words) => {
    const box = document.createElement("span");
    const lower = value.toLowerCase();
    let from = 0;
    const spans = words.map((word) => [lower.indexOf(word), word.length]).filter(([at]) => at >= 0).sort((a, b) => a[0] - b[0]);
    for (const [at, length] of spans) {
      if (at < from) continue;
      box.append(value.slice(from, at));
      const mark = document.createElement("mark");
      mark.textContent = value.slice(at, at + length);
      box.append(mark);
      from = at + length;
    }
    box.append(value.slice(from));
    return box;
  };
  const search = () => {
    load();
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = [];
    let count = 0;
    for (const tag of tags) {
      if (!words.every((word) => tag.haystack.includes(word))) continue;
      count += 1;
      if (matches.length < SHOWN) matches.push(tag);
    }
    list.replaceChildren(...matches.map(({ value, about }, index) => {
      const item = document.createElement("li");
      item.id = `jhkube-result-${index}`;
      item.dataset.value = value;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      const note = document.createElement("small");
      note.textContent = about;
      item.append(label(value, words), note);
      return item;
    }));
    active = -1;
    list.hidden = matches.length === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
    input.removeAttribute("aria-activedescendant");
    const which = count > SHOWN ? `, the first ${SHOWN} are listed` : "";
    found.textContent = !words.length ? hint : count === 0 ? "No tag matches." : `${count.toLocaleString()} ${count === 1 ? "tag matches" : "tags match"}${which}.`;
    check();
  };
  const move = (to) => {
    const items = list.children;
    if (list.hidden || !items.length) return;
    if (items[active]) items[active].setAttribute("aria-selected", "false");
    active = (to + items.length) % items.length;
    items[active].setAttribute("aria-selected", "true");
    items[active].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", items[active].id);
  };
  input.addEventListener("input", search);
  input.addEventListener("click", search);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") {
      if (list.hidden) search();
      else move(active + 1);
    } else if (event.key === "ArrowUp") move(active < 0 ? -1 : active - 1);
    else if (event.key === "Escape" && !list.hidden) close();
    else if (event.key === "Enter" && !list.hidden) take(list.children[Math.max(active, 0)].dataset.value);
    else return;
    event.preventDefault();
  });
  list.addEventListener("mousedown", (event) => {
    // Before the field loses the focus, which would close the list under the pointer.
    event.preventDefault();
    const item = event.target.closest("li");
    if (item) take(item.dataset.value);
  });
  for (const radio of form.querySelectorAll("input[name=image]")) radio.addEventListener("change", check);
})();
