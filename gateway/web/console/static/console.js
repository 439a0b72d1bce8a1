// Live updates of the console. Every page works without this file.
//
// The server says which areas changed (GET /console/events), never what: the page is fetched again, as the
// user would see it, and its regions marked data-live are put in place of the old ones. A region names the
// areas that it shows (data-live="messages endpoints"; empty: all). Focus, open <details>, what was typed and
// the scroll position stay. Words come from the data-* attributes of #live, so that they are translated.
"use strict";

(() => {
  const place = document.getElementById("live");
  if (!place || !place.dataset.on || !window.EventSource || !window.DOMParser) return;

  const FIRST_WAIT = 2000;
  const LONGEST_WAIT = 60000;
  const SILENCE = 45000; // three missed beats
  const say = place.dataset;
  const pausedKey = "passerelle-live-paused";

  let source = null;
  let wait = FIRST_WAIT;
  let last = "";
  let timer = 0;
  let watchdog = 0;
  let paused = remembered();
  let pending = new Set();
  let fetching = false;
  let ended = false;

  // ---- the indicator ---------------------------------------------------------------------------

  const dot = document.createElement("span");
  dot.className = "live-dot";
  dot.setAttribute("aria-hidden", "true");
  const state = document.createElement("span");
  state.className = "live-state";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain live-button";
  const spoken = document.createElement("span");
  spoken.className = "visually-hidden";
  spoken.setAttribute("role", "status");
  place.append(dot, state, button, spoken);
  button.addEventListener("click", () => {
    paused = !paused;
    remember(paused);
    if (paused) {
      stop();
    } else {
      wait = FIRST_WAIT;
      start();
      refresh();
    }
    show();
  });

  function remembered() {
    try {
      return window.sessionStorage.getItem(pausedKey) === "1";
    } catch {
      return false;
    }
  }

  function remember(value) {
    try {
      window.sessionStorage.setItem(pausedKey, value ? "1" : "0");
    } catch {
      // private windows may forbid it: the choice then lasts for this page
    }
  }

  function show() {
    const live = source !== null && source.readyState === EventSource.OPEN;
    const name = ended ? "ended" : paused ? "paused" : live ? "on" : "off";
    if (place.dataset.state !== name) {
      place.dataset.state = name;
      state.textContent = say[name];
    }
    button.hidden = ended;
    button.textContent = paused ? say.resume : say.pause;
  }

  // ---- the stream ------------------------------------------------------------------------------

  function start() {
    if (source || paused || ended || document.visibilityState === "hidden") return;
    source = new EventSource("/console/events" + (last ? "?after=" + encodeURIComponent(last) : ""));
    source.addEventListener("open", () => {
      wait = FIRST_WAIT;
      alive();
      show();
    });
    source.addEventListener("beat", (event) => {
      note(event);
      alive();
      show();
    });
    source.addEventListener("change", (event) => {
      note(event);
      alive();
      for (const area of JSON.parse(event.data).areas) pending.add(area);
      refresh();
      show();
    });
    source.addEventListener("ended", () => {
      ended = true;
      stop();
      show();
    });
    source.addEventListener("error", again);
  }

  function note(event) {
    if (event.lastEventId) last = event.lastEventId;
  }

  function alive() {
    clearTimeout(watchdog);
    watchdog = setTimeout(again, SILENCE);
  }

  function stop() {
    clearTimeout(timer);
    clearTimeout(watchdog);
    if (source) source.close();
    source = null;
  }

  function again() {
    stop();
    if (!paused && !ended) {
      timer = setTimeout(start, wait * (0.75 + Math.random() / 2));
      wait = Math.min(wait * 2, LONGEST_WAIT);
    }
    show();
  }

  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") {
      stop();
    } else {
      start();
    }
    show();
  });
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", start);

  // ---- the page --------------------------------------------------------------------------------

  function regions(root) {
    return [...root.querySelectorAll("[data-live]")].filter((r) => !r.parentElement.closest("[data-live]"));
  }

  function concerned(region, areas) {
    const own = region.dataset.live.split(/\s+/).filter(Boolean);
    return own.length === 0 || own.some((area) => areas.has(area));
  }

  function busy(region) {
    // a form that somebody is filling in is left alone: its region waits for the next change
    return [...region.querySelectorAll("form")].some(
      (form) => form.contains(document.activeElement) && document.activeElement.matches("input, select, textarea"),
    );
  }

  async function refresh() {
    if (fetching || paused || ended || pending.size === 0) return;
    const mine = regions(document);
    const areas = pending;
    if (!mine.some((region) => concerned(region, areas))) {
      pending = new Set();
      return;
    }
    fetching = true;
    pending = new Set();
    try {
      const answer = await fetch(location.href, {
        headers: { "X-Passerelle-Live": "1" },
        credentials: "same-origin",
        redirect: "manual",
        cache: "no-store",
      });
      if (answer.type === "opaqueredirect" || answer.status === 401) {
        ended = true;
        stop();
      } else if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        swap(mine, regions(page), areas);
      }
    } catch {
      for (const area of areas) pending.add(area); // told again with the next change
    } finally {
      fetching = false;
      show();
    }
    if (pending.size > 0) setTimeout(refresh, 500);
  }

  function swap(mine, theirs, areas) {
    const focused = document.activeElement;
    let changed = 0;
    mine.forEach((region, index) => {
      const fresh = region.id ? theirs.find((r) => r.id === region.id) : theirs[index];
      if (!fresh || !concerned(region, areas)) return;
      if (busy(region)) {
        for (const area of areas) pending.add(area);
        return;
      }
      const adopted = document.importNode(fresh, true);
      keep(region, adopted);
      if (adopted.isEqualNode(region)) return;
      const path = region.contains(focused) ? pathTo(region, focused) : null;
      const scrolled = [...region.querySelectorAll("*")].map((e) => [e.scrollLeft, e.scrollTop]);
      region.replaceWith(adopted);
      [...adopted.querySelectorAll("*")].forEach((e, i) => {
        if (scrolled[i]) [e.scrollLeft, e.scrollTop] = scrolled[i];
      });
      if (path) follow(adopted, path)?.focus({ preventScroll: true });
      changed += 1;
    });
    if (changed) spoken.textContent = say.updated + " " + new Date().toLocaleTimeString(document.documentElement.lang);
  }

  // what the user did to the old region is done to the new one before they are compared
  function keep(old, fresh) {
    pairs(old, fresh, "details").forEach(([was, now]) => {
      now.open = was.open;
    });
    pairs(old, fresh, "input, select, textarea").forEach(([was, now]) => {
      if (was.type === "hidden") return; // tokens are always the new ones
      if (was.type === "checkbox" || was.type === "radio") {
        if (was.value === now.value) now.checked = was.checked;
      } else if (was.value !== (was.defaultValue ?? was.value)) {
        now.value = was.value;
      } else if (was.tagName === "SELECT") {
        now.value = was.value;
      }
    });
  }

  // elements that are the same one: by id, or by name and value (rows come and go), or by place
  function pairs(old, fresh, selector) {
    const found = [...fresh.querySelectorAll(selector)];
    const key = (e) => e.id || [e.tagName, e.name, e.type === "checkbox" || e.type === "radio" ? e.value : ""].join("|");
    const seen = new Map();
    const numbered = (e, counts) => {
      const k = key(e);
      const n = (counts.get(k) || 0) + 1;
      counts.set(k, n);
      return k + "#" + n;
    };
    const counts = new Map();
    found.forEach((e) => seen.set(numbered(e, counts), e));
    const olds = new Map();
    return [...old.querySelectorAll(selector)]
      .map((e) => [e, seen.get(numbered(e, olds))])
      .filter(([, e]) => e);
  }

  function pathTo(region, element) {
    if (element.id) return { id: element.id };
    const href = element.getAttribute("href");
    if (href) return { href };
    if (element.name) return { name: element.name, value: element.value };
    const same = [...region.querySelectorAll(element.tagName)];
    return { tag: element.tagName, index: same.indexOf(element) };
  }

  function follow(region, path) {
    const quoted = (text) => CSS.escape(text);
    if (path.id) return region.querySelector("#" + quoted(path.id));
    if (path.href) return [...region.querySelectorAll("[href]")].find((e) => e.getAttribute("href") === path.href);
    if (path.name) {
      const same = [...region.querySelectorAll("[name]")].filter((e) => e.name === path.name);
      return same.find((e) => e.value === path.value) || same[0];
    }
    return region.querySelectorAll(path.tag)[path.index];
  }

  show();
  start();
})();
