"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  if (!data.rows.length) {
    document.documentElement.dataset.ready = "true";
    return;
  }
  const PART = 100; // rows in the table at a time
  const BINS = 32;
  const FIRST = 3; // of the measures in a row: title, page and flags come before
  const rows = data.rows.map((cells, rank) => ({
    cells,
    rank,
    visit: data.visits[rank],
    key: (cells[1] === null ? cells[0] : cells[1].split("/").pop().replace(/\.html$/, "")).replace(/[\t\r\n,]/g, " "),
    text: [cells[0], ...cells[2].map((flag) => data.flags[flag])].join(" ").toLowerCase(),
  }));
  const marking = rows.some((row) => row.visit);
  const hasThumbnails = data.thumbnails.includes(1);
  let found = rows;
  let start = 0; // of the part that is shown
  let sorting = { column: null, down: false };
  let current = null; // a row
  let opened = -1; // its place among those found

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const say = (value) => {
    if (value === null || value === undefined) return "n/a";
    return typeof value === "number" ? String(Number(value.toPrecision(4))) : value;
  };
  const address = (row) => row.cells[1].split("/").map(encodeURIComponent).join("/");

  // ---- marks --------------------------------------------------------------------------------
  const MARKS = ["pass", "fail"];
  const STORE = `t1nce-marks:${location.pathname}`;
  const marks = new Map();
  let kept = true;
  try {
    for (const [key, mark] of JSON.parse(localStorage.getItem(STORE) || "[]")) {
      if (MARKS.includes(mark)) marks.set(key, mark);
    }
  } catch { kept = false; }

  const markOf = (row) => marks.get(row.key) ?? null;

  function keep() {
    try { localStorage.setItem(STORE, JSON.stringify([...marks])); } catch { kept = false; }
    sayMarks();
  }

  function sayMarks(what = "") {
    const counts = MARKS.map((mark) => `${rows.filter((row) => markOf(row) === mark).length} ${mark}`);
    const parts = [what, ...counts, kept ? "" : "this browser does not keep marks: save the list"];
    $("marks").textContent = parts.filter(Boolean).join(", ");
  }

  function setMark(row, mark) {
    if (!marking || !row.visit) return;
    if (mark) marks.set(row.key, mark);
    else marks.delete(row.key);
    keep();
    showMark(row);
  }

  function showMark(row) {
    const mark = markOf(row);
    const button = $("body").querySelector(`[data-marks="${row.rank}"]`);
    if (button) {
      button.textContent = mark ?? "none";
      button.dataset.is = mark ?? "";
      button.setAttribute("aria-label", `Mark of ${row.cells[0]}: ${mark ?? "none"}`);
    }
    if (opened >= 0 && found[opened] === row) {
      for (const each of document.querySelectorAll("[data-mark]")) {
        each.setAttribute("aria-pressed", String(each.dataset.mark === mark));
      }
    }
  }

  // One row a visit, as the commands want it, whatever the number of its images.
  function table() {
    const visits = new Map();
    for (const row of found) {
      if (!row.visit) continue;
      const name = row.visit.join("\t");
      if (!visits.has(name)) visits.set(name, { visit: row.visit, pass: [], fail: [] });
      if (markOf(row)) visits.get(name)[markOf(row)].push(row.key);
    }
    const lines = [...visits.values()].map(({ visit, pass, fail }) => {
      const mark = fail.length ? "fail" : pass.length ? "pass" : "n/a";
      return [visit[0], visit[1] || "n/a", mark, pass.join(",") || "n/a", fail.join(",") || "n/a"];
    });
    const head = ["participant_id", "session_id", "mark", "passed", "failed"];
    return [head, ...lines].map((line) => `${line.join("\t")}\n`).join("");
  }

  function save() {
    const url = URL.createObjectURL(new Blob([table()], { type: "text/tab-separated-values" }));
    const mark = $("mark").value;
    make("a", { href: url, download: `visits${mark && `_${mark}`}.tsv` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  async function load() {
    const [file] = $("load").files;
    if (!file) return;
    const [head, ...lines] = (await file.text()).split(/\r?\n/).filter(Boolean).map((line) => line.split("\t"));
    const places = ["passed", "failed"].map((name) => (head || []).indexOf(name));
    $("load").value = "";
    if (places.includes(-1)) return sayMarks(`${file.name}: no columns passed and failed`);
    const known = new Set(rows.map((row) => row.key));
    let taken = 0;
    for (const line of lines) {
      places.forEach((place, i) => {
        const keys = (line[place] || "").split(",").filter((key) => known.has(key));
        for (const key of keys) marks.set(key, MARKS[i]);
        taken += keys.length;
      });
    }
    keep();
    sayMarks(`${taken} taken from ${file.name}`);
    refresh();
  }

  // ---- distributions ------------------------------------------------------------------------
  function distribution(name, column) {
    const valueOf = (row) => (typeof row.cells[column] === "number" ? row.cells[column] : null);
    const values = Float64Array.from(rows.map(valueOf).filter((value) => value !== null)).sort();
    const low = values[0], high = values[values.length - 1];
    if (!(high > low)) return null;
    const place = (value) => (value - low) / (high - low);
    const bin = (value) => Math.min(BINS - 1, Math.floor(BINS * place(value)));
    const count = (list) => {
      const counts = new Array(BINS).fill(0);
      for (const row of list) if (valueOf(row) !== null) counts[bin(valueOf(row))]++;
      return counts;
    };
    const every = count(rows);
    const most = Math.max(...every);
    const bars = (counts) =>
      counts.map((n, i) => (n ? `M${i} 1V${1 - Math.max(0.04, n / most)}h.9V1z` : "")).join("");
    const figure = $("measure").content.cloneNode(true).firstElementChild;
    const [all, some, here] = figure.querySelectorAll("path");
    const [title, said, ...ends] = figure.querySelectorAll("b, span");
    title.textContent = name;
    [low, high].forEach((value, i) => { ends[i].textContent = say(value); });
    all.setAttribute("d", bars(every));
    const median = values[values.length >> 1];
    const what = `${name} of ${values.length} images: ${say(low)} to ${say(high)}, median ${say(median)}`;
    figure.querySelector("svg").setAttribute("aria-label", what);
    $("measures").append(figure);
    return {
      mark(row) {
        const value = row && valueOf(row);
        here.setAttribute("d", value === null ? "" : `M${place(value) * BINS} 0V1`);
        if (value === null) said.textContent = row ? "n/a" : "";
        else {
          let below = 0;
          while (values[below] < value) below++;
          said.textContent = `${say(value)}, above ${Math.round((100 * below) / values.length)} %`;
        }
      },
      narrow(list) { some.setAttribute("d", bars(count(list))); },
    };
  }

  function setCurrent(row) {
    if (row === current) return;
    current = row;
    for (const each of distributions) each.mark(row);
    for (const line of $("body").children) {
      if (Number(line.dataset.rank) === row.rank) line.setAttribute("aria-current", "true");
      else line.removeAttribute("aria-current");
    }
  }

  // ---- the table ----------------------------------------------------------------------------
  const columns = [
    { name: "#", value: (row) => row.rank },
    { name: "Participant", value: (row) => row.cells[0] },
    ...(marking ? [{ name: "Mark", value: markOf }] : []),
    ...data.names.map((name, i) => ({ name, value: (row) => row.cells[FIRST + i] })),
    ...(data.flags.length ? [{ name: "Flags", value: (row) => row.cells[2].length }] : []),
  ];
  columns.forEach((column, number) => {
    const button = make("button", { type: "button", textContent: column.name });
    button.addEventListener("click", () => sortBy(number));
    column.cell = make("th", { scope: "col" }, button);
    $("head").append(column.cell);
  });

  function line(row) {
    const element = make("tr");
    element.dataset.rank = row.rank;
    if (row === current) element.setAttribute("aria-current", "true");
    const add = (...content) => {
      const cell = make("td", {}, ...content);
      element.append(cell);
      return cell;
    };
    add(String(row.rank + 1));
    const textContent = row.cells[0];
    const cell = add(
      row.cells[1] === null ? make("span", { textContent, tabIndex: 0 }) : make("a", { textContent, href: address(row) }),
    );
    if (hasThumbnails) {
      cell.className = "pictured";
      if (data.thumbnails[row.rank]) {
        // Lazy before it has a source, or the browser begins to read it.
        const image = make("img", { loading: "lazy", decoding: "async", width: 240, height: 96 });
        image.alt = "T1ce, synthetic image and their difference";
        image.src = address(row).replace(/\.html$/, ".jpg");
        image.addEventListener("error", () => image.remove());
        cell.prepend(image);
      }
    }
    if (marking) {
      const button = make("button", { type: "button", className: "mark" });
      button.dataset.marks = row.rank;
      add(row.visit ? button : "");
    }
    data.names.forEach((_, i) => add(say(row.cells[FIRST + i])));
    if (data.flags.length) {
      const flags = row.cells[2].map((flag) => make("span", { className: "flag", textContent: data.flags[flag] }));
      add(...flags).className = "flags-cell";
    }
    return element;
  }

  function show(from) {
    start = Math.max(0, Math.min(from, found.length - 1));
    start -= start % PART;
    const part = found.slice(start, start + PART);
    $("body").replaceChildren(...part.map(line));
    part.forEach(showMark);
    const end = start + part.length;
    $("turn").hidden = found.length <= PART;
    $("range").textContent = `${start + 1} to ${end} of ${found.length}`;
    $("back").disabled = start === 0;
    $("forth").disabled = end >= found.length;
  }

  function turn(by) {
    focusOn(start + by * PART);
    $("index").scrollIntoView();
  }

  function refresh() {
    const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    const flag = $("flag").value === "" ? null : Number($("flag").value);
    const mark = $("mark").value;
    found = rows.filter(
      (row) =>
        (flag === null || row.cells[2].includes(flag)) &&
        (mark === "" || (markOf(row) ?? "none") === mark) &&
        words.every((word) => row.text.includes(word)),
    );
    for (const each of distributions) each.narrow(found.length < rows.length ? found : []);
    if (sorting.column !== null) {
      const value = columns[sorting.column].value;
      const sign = sorting.down ? -1 : 1;
      found = [...found].sort((a, b) => compare(value(a), value(b), sign) || a.rank - b.rank);
    }
    columns.forEach(({ cell }, number) => {
      if (number === sorting.column) cell.setAttribute("aria-sort", sorting.down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    $("count").textContent =
      found.length === rows.length ? `${rows.length} in all` : `${found.length} of ${rows.length}`;
    show(0);
  }

  const compare = (a, b, sign) => {
    const missing = (v) => v === null || v === undefined;
    if (missing(a) || missing(b)) return missing(a) - missing(b); // last, whatever the direction
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    if (typeof a !== typeof b) return sign * (typeof a === "number" ? -1 : 1);
    return sign * a.localeCompare(b, "en", { numeric: true });
  };

  function sortBy(column) {
    sorting = { column, down: sorting.column === column && !sorting.down };
    refresh();
  }

  function focusOn(position) {
    if (position < 0 || position >= found.length) return;
    if (position < start || position >= start + PART) show(position);
    $("body").children[position - start].querySelector("a, [tabindex]").focus();
  }

  const rowOf = (element) => rows[element.closest("#body tr")?.dataset.rank] ?? null;

  // ---- one participant after the other ------------------------------------------------------
  const readable = (position) => found[position] && found[position].cells[1] !== null;

  function read(position) {
    opened = position;
    const row = found[position];
    $("page").src = address(row);
    $("alone").href = address(row);
    $("place").textContent = `${row.cells[0]} (${position + 1} of ${found.length})`;
    setCurrent(row);
    showMark(row);
    if ($("reader").hidden) {
      $("reader").hidden = false;
      $("all").inert = true;
      document.body.style.overflow = "hidden";
      $("page-measures").append($("measures"));
      $("next").focus();
    }
  }

  function step(by) {
    for (let to = opened + by; to >= 0 && to < found.length; to += by) {
      if (readable(to)) return read(to);
    }
  }

  function close() {
    $("reader").hidden = true;
    $("all").inert = false;
    document.body.style.overflow = "";
    $("page").removeAttribute("src");
    $("list-measures").append($("measures"));
    const last = opened;
    opened = -1;
    focusOn(last);
  }

  function markOpened(mark) {
    const row = found[opened];
    setMark(row, markOf(row) === mark ? null : mark);
    if (markOf(row) && $("onwards").checked) step(1);
  }

  const LETTERS = { p: "pass", f: "fail", u: null }; // null: no mark
  const actions = { n: () => step(1), b: () => step(-1), Escape: close };
  for (const [key, mark] of Object.entries(LETTERS)) actions[key] = () => markOpened(mark);
  const act = (key) => { if (Object.hasOwn(actions, key)) actions[key](); };

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.repeat && event.key.length === 1) return; // a key held down marks one image
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!$("reader").hidden) return act(key);
    const row = rowOf(event.target);
    if (!row) return;
    if (key === "ArrowDown" || key === "ArrowUp") {
      event.preventDefault();
      focusOn(found.indexOf(row) + (key === "ArrowDown" ? 1 : -1));
    } else if (Object.hasOwn(LETTERS, key)) {
      setMark(row, LETTERS[key]);
    }
  }

  $("body").addEventListener("click", (event) => {
    const row = rowOf(event.target);
    if (!row) return;
    if (event.target.closest("button")) {
      setMark(row, [...MARKS, null][(MARKS.indexOf(markOf(row)) + 1) % 3]);
    } else if (event.target.closest("a, img") && readable(found.indexOf(row))) {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      read(found.indexOf(row));
    }
  });
  for (const kind of ["focusin", "mouseover"]) {
    $("body").addEventListener(kind, (event) => {
      const row = rowOf(event.target);
      if (row) setCurrent(row);
    });
  }
  document.addEventListener("keydown", onKey);
  window.addEventListener("message", (event) => {
    if (event.source === $("page").contentWindow && event.data && !$("reader").hidden) act(event.data.key);
  });
  for (const button of document.querySelectorAll("[data-mark]")) {
    button.addEventListener("click", () => markOpened(button.dataset.mark));
  }
  const clicks = { previous: () => step(-1), next: () => step(1), close, back: () => turn(-1), forth: () => turn(1), save };
  for (const [id, click] of Object.entries(clicks)) $(id).addEventListener("click", click);
  $("take").addEventListener("click", () => $("load").click());
  $("load").addEventListener("change", load);
  for (const filter of ["find", "flag", "mark"]) $(filter).addEventListener("input", refresh);
  $("flag").parentElement.hidden = !data.flags.length;
  for (const element of document.querySelectorAll(".for-marks")) element.hidden = !marking;
  const flagged = data.flags.map((_, flag) => rows.filter((row) => row.cells[2].includes(flag)).length);
  data.flags.forEach((flag, number) => $("flag").add(new Option(`${flag} (${flagged[number]})`, number)));
  const distributions = data.names.map((name, i) => distribution(name, FIRST + i)).filter(Boolean);
  sayMarks();
  refresh();
  document.documentElement.dataset.ready = "true";
})();
