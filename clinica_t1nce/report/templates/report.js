"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  if (!data.rows.length) {
    document.documentElement.dataset.ready = "true";
    return;
  }
  const CHUNK = 200;
  const FIRST = 3; // of the measures in a row: title, page and flags come before
  const rows = data.rows.map((cells, rank) => ({
    cells,
    rank,
    text: [cells[0], ...cells[2].map((flag) => data.flags[flag])].join(" ").toLowerCase(),
  }));
  let found = rows;
  let shown = 0;
  let sorting = { column: null, down: false };
  let current = -1;

  // ---- the table ----------------------------------------------------------------------------
  const columns = [
    { name: "#", value: (row) => row.rank },
    { name: "Participant", value: (row) => row.cells[0] },
    ...data.names.map((name, i) => ({ name, value: (row) => row.cells[FIRST + i] })),
    ...(data.flags.length ? [{ name: "Flags", value: (row) => row.cells[2].length }] : []),
  ];
  columns.forEach((column, number) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = column.name;
    button.addEventListener("click", () => sortBy(number));
    cell.append(button);
    $("head").append(cell);
    column.cell = cell;
  });

  const say = (value) => {
    if (value === null || value === undefined) return "n/a";
    return typeof value === "number" ? String(Number(value.toPrecision(4))) : value;
  };

  function line(row, position) {
    const element = document.createElement("tr");
    const add = (content) => {
      const cell = document.createElement("td");
      cell.append(content);
      element.append(cell);
      return cell;
    };
    add(String(row.rank + 1));
    if (row.cells[1] === null) {
      add(row.cells[0]);
    } else {
      const link = document.createElement("a");
      link.href = address(row);
      link.textContent = row.cells[0];
      link.dataset.position = position;
      add(link);
    }
    data.names.forEach((_, i) => add(say(row.cells[FIRST + i])));
    if (!data.flags.length) return element;
    const flags = add("");
    flags.className = "flags-cell";
    for (const flag of row.cells[2]) {
      const mark = document.createElement("span");
      mark.className = "flag";
      mark.textContent = data.flags[flag];
      flags.append(mark);
    }
    return element;
  }
  const address = (row) => row.cells[1].split("/").map(encodeURIComponent).join("/");

  function more() {
    const piece = document.createDocumentFragment();
    const end = Math.min(found.length, shown + CHUNK);
    for (; shown < end; shown++) piece.append(line(found[shown], shown));
    $("body").append(piece);
    $("more").hidden = shown >= found.length;
  }

  function refresh() {
    const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    const flag = $("flag").value === "" ? null : Number($("flag").value);
    found = rows.filter(
      (row) =>
        (flag === null || row.cells[2].includes(flag)) && words.every((word) => row.text.includes(word)),
    );
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
    $("body").replaceChildren();
    shown = 0;
    more();
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

  // ---- one participant after the other ------------------------------------------------------
  const readable = (position) => found[position] && found[position].cells[1] !== null;

  function read(position) {
    current = position;
    const row = found[position];
    $("page").src = address(row);
    $("alone").href = address(row);
    $("place").textContent = `${row.cells[0]} (${position + 1} of ${found.length})`;
    if ($("reader").hidden) {
      $("reader").hidden = false;
      $("all").inert = true;
      document.body.style.overflow = "hidden";
      $("next").focus();
    }
  }

  function step(by) {
    for (let to = current + by; to >= 0 && to < found.length; to += by) {
      if (readable(to)) return read(to);
    }
  }

  function close() {
    if ($("reader").hidden) return;
    $("reader").hidden = true;
    $("all").inert = false;
    document.body.style.overflow = "";
    $("page").removeAttribute("src");
    while (shown <= current) more();
    const link = $("body").querySelector(`[data-position="${current}"]`);
    if (link) link.focus();
  }

  const keys = { n: () => step(1), p: () => step(-1), Escape: close };
  const act = (key) => {
    if (!$("reader").hidden && Object.hasOwn(keys, key)) keys[key]();
  };

  $("body").addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    read(Number(link.dataset.position));
  });
  document.addEventListener("keydown", (event) => act(event.key));
  window.addEventListener("message", (event) => {
    if (event.source === $("page").contentWindow && event.data) act(event.data.key);
  });
  $("previous").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  $("close").addEventListener("click", close);
  $("more").addEventListener("click", more);
  $("find").addEventListener("input", refresh);
  $("flag").addEventListener("input", refresh);
  $("flag").parentElement.hidden = !data.flags.length;
  data.flags.forEach((flag, number) => $("flag").add(new Option(flag, number)));
  if ("IntersectionObserver" in window) {
    new IntersectionObserver((seen) => {
      if (seen.some((entry) => entry.isIntersecting)) more();
    }, { rootMargin: "600px" }).observe($("more"));
  }
  refresh();
  document.documentElement.dataset.ready = "true";
})();
