// While the form is read, the hub may make the server's pod. What that finds out is said before anybody presses Start.
(() => {
  "use strict";
  const form = document.getElementById("jhkube-form");
  const ahead = document.getElementById("jhkube-ahead");
  const REST = 1500;
  const PERIOD = 3000;
  const follows = "aheadFollows" in form.dataset;
  const whole = form.closest("form");
  let timer = 0;
  let changes = 0;
  const say = (text) => {
    ahead.textContent = text;
    ahead.hidden = !text;
  };
  const ask = async (fields) => {
    const asked = changes;
    let answer;
    try {
      answer = await fetch(form.dataset.ahead, {
        method: fields ? "POST" : "GET",
        headers: { "Content-Type": "application/json", "X-XSRFToken": window.jhdata.xsrf_token },
        body: fields && JSON.stringify(fields),
      });
    } catch {
      return true;
    }
    // Logged out, or a hub without the question: the form works without an answer.
    if (!answer.ok) return answer.status >= 500;
    const { state, message } = await answer.json();
    if (asked === changes) say(message);
    // Nothing changes where no pod is made, or none can be.
    return state === "waiting";
  };
  const next = () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const asked = changes;
      if ((document.hidden || await ask()) && asked === changes) next();
    }, PERIOD);
  };
  const tell = async () => {
    const sent = new FormData(whole);
    const fields = {};
    for (const name of new Set(sent.keys())) fields[name] = sent.getAll(name).filter((value) => typeof value === "string");
    // A newer change has a timer of its own.
    const asked = changes;
    if (await ask(fields) && asked === changes) next();
  };
  whole.addEventListener("input", () => {
    // What was said was said of another choice.
    changes += 1;
    say("");
    clearTimeout(timer);
    if (follows) timer = setTimeout(tell, REST);
  });
  whole.addEventListener("submit", () => { clearTimeout(timer); });
  if (window.jhdata && whole) next();
})();
