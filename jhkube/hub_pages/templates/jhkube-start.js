"use strict";
// The page of a start follows the hub's progress events. What they say is text: nothing of it becomes markup.
(() => {
  const page = document.getElementById("jhkube-start");
  const find = (id) => document.getElementById(id);
  const steps = [...page.querySelectorAll("[data-step]")];
  let since = Date.now() - 1000 * Number(page.dataset.elapsed || 0);
  let isOver = false;
  let couldNotStop = false;

  const setText = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };

  const log = (text) => {
    const line = document.createElement("li");
    line.textContent = text;
    find("progress-log").append(line);
  };

  const trouble = (text) => {
    setText(find("jhkube-trouble"), text);
    find("jhkube-trouble").hidden = !text;
  };

  const setState = (step, state) => {
    if (step.dataset.state === state) return;
    step.dataset.state = state;
    if (state === "current") step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
    setText(step.querySelector(".jhkube-state"), { done: ", done", current: ", under way", later: "" }[state]);
  };

  const showSteps = (event) => {
    const took = new Map(event.steps.map((each) => [each.name, each.seconds]));
    const current = steps.find((step) => !took.has(step.dataset.step));
    for (const step of steps) {
      const seconds = took.get(step.dataset.step);
      setState(step, seconds !== undefined ? "done" : step === current ? "current" : "later");
      const usual = step === current && event.usually ? `(${event.usually})` : "";
      setText(step.querySelector(".jhkube-usual"), usual);
      if (seconds !== undefined) setText(step.querySelector(".jhkube-time"), `${seconds.toFixed(1)} s`);
      else if (step !== current) setText(step.querySelector(".jhkube-time"), "");
    }
    since = Date.now() - 1000 * (event.elapsed || 0);
  };

  // Seconds are no news: they are outside of what a screen reader reads out.
  const counting = setInterval(() => {
    const current = steps.find((step) => step.dataset.state === "current");
    const seconds = Math.max(Math.round((Date.now() - since) / 1000), 0);
    if (current) setText(current.querySelector(".jhkube-time"), `${seconds} s`);
  }, 1000);

  const showFailure = (event) => {
    isOver = true;
    clearInterval(counting);
    let said = (event.message || "").replace(/^Spawn failed: /, "");
    let raw = "";
    if (event.html_message) {
      const read = new DOMParser().parseFromString(event.html_message, "text/html");
      const code = read.querySelector("code");
      raw = code ? code.textContent : "";
      if (code) (code.closest("small") || code).remove();
      said = read.body.textContent.trim() || said;
    }
    setText(find("jhkube-heading"), find("jhkube-heading").dataset.failed);
    document.title = find("jhkube-heading").dataset.failed;
    setText(find("jhkube-failed-message"), said || "Choose something else, or tell your administrator.");
    setText(find("jhkube-failed-raw").querySelector("pre"), raw);
    find("jhkube-failed-raw").hidden = !raw;
    find("jhkube-starting").hidden = true;
    find("jhkube-failed").hidden = false;
    // Said by a screen reader, and where the next Tab begins.
    find("jhkube-heading").focus();
  };

  let events;
  const opened = () => {
    // The hub tells all that has happened from the beginning.
    find("progress-log").replaceChildren();
  };
  const told = (message) => {
    if (!couldNotStop) trouble("");
    const event = JSON.parse(message.data);
    if (event.failed) {
      events.close();
      showFailure(event);
      return;
    }
    if (event.message) log(event.message);
    // The hub's own first event only says that the server was requested; the page says more than that already.
    if (event.message && event.progress !== 0) setText(find("progress-message"), event.message);
    if (event.steps) showSteps(event);
    if (event.ready) {
      isOver = true;
      events.close();
      location.reload();
    }
  };
  const lost = () => {
    if (isOver) return;
    couldNotStop = false;
    trouble("The hub does not answer at the moment. The start goes on, and this page tries again.");
    // The hub answers, and knows of no start: it says where the server is, or why it does not run.
    if (events.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
  };

  const follow = () => {
    isOver = false;
    events = new EventSource(page.dataset.progress);
    events.onopen = opened;
    events.onmessage = told;
    events.onerror = lost;
  };
  follow();

  const stop = find("jhkube-stop");
  stop.hidden = false;
  stop.addEventListener("click", async () => {
    stop.disabled = true;
    couldNotStop = false;
    trouble("");
    events.close();
    isOver = true;
    setText(find("progress-message"), "Stopping the start.");
    try {
      const answer = await fetch(page.dataset.server, {
        method: "DELETE",
        headers: { "X-XSRFToken": page.dataset.xsrf },
        signal: AbortSignal.timeout(60000),
      });
      if (!answer.ok) throw new Error(String(answer.status));
      location.assign(page.dataset.home);
    } catch {
      // The start goes on, and so does what is told of it.
      stop.disabled = false;
      couldNotStop = true;
      trouble("The start could not be stopped. Press Stop the start again.");
      follow();
    }
  });

  // For tests, as the hub's own page has it.
  window._jupyterhub_page_loaded = true;
})();
