"use strict";
(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const [NX, NY, NZ] = data.shape;
  const STRIDES = [1, NX, NX * NY];
  // Columns run against the first axis named, rows against the second: radiological convention.
  const PLANES = {
    axial: { axis: 2, across: 0, down: 1, sides: ["R", "L"] },
    coronal: { axis: 1, across: 0, down: 2, sides: ["R", "L"] },
    sagittal: { axis: 0, across: 1, down: 2, sides: ["A", "P"] },
  };
  const NAMES = Object.keys(PLANES);
  const point = [...data.point];
  const cross = { shown: false };
  let plane = "axial";
  let queued = false;

  // ---- images into arrays -------------------------------------------------------------------
  async function decode(source) {
    const image = new Image();
    image.src = source;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.width;
    canvas.height = image.height;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const { width, height, columns } = data.mosaic;
    const volume = new Uint8Array(NX * NY * NZ);
    for (let top = 0, z = 0; z < NZ; top += height) {
      const row = context.getImageData(0, top, canvas.width, height).data;
      for (let column = 0; column < columns && z < NZ; column++, z++) {
        for (let y = 0; y < NY; y++) {
          let from = 4 * (y * canvas.width + column * width);
          const to = STRIDES[1] * y + STRIDES[2] * z;
          for (let x = 0; x < NX; x++, from += 4) volume[to + x] = row[from];
        }
      }
    }
    canvas.width = 0;
    return volume;
  }

  function canvasesAreHonest() {
    // Some browsers, set against fingerprinting, give noise instead of what was drawn.
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 16;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "rgb(97, 97, 97)";
    context.fillRect(0, 0, 16, 16);
    return context.getImageData(0, 0, 16, 16).data.every((v, i) => i % 4 === 3 || Math.abs(v - 97) < 4);
  }

  // ---- panels -------------------------------------------------------------------------------
  const panels = [];
  function addPanel(title, draw, overlay) {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    caption.textContent = title;
    const frame = document.createElement("div");
    frame.className = "frame";
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    const sides = ["left", "right"].map((side) => {
      const mark = document.createElement("span");
      mark.className = `side ${side}`;
      return mark;
    });
    frame.append(canvas, ...sides);
    figure.append(caption, frame);
    $("panels").append(figure);
    const panel = { figure, caption, canvas, sides, draw, overlay, title };
    canvas.addEventListener("click", (event) => {
      const { across, down } = PLANES[plane];
      const box = canvas.getBoundingClientRect();
      const place = (axis, share) =>
        Math.min(data.shape[axis] - 1, Math.max(0, Math.floor(data.shape[axis] * (1 - share))));
      point[across] = place(across, (event.clientX - box.left) / box.width);
      point[down] = place(down, (event.clientY - box.top) / box.height);
      update();
    });
    panels.push(panel);
    return panel;
  }

  const section = document.createElement("canvas");
  function drawSlice(panel) {
    const { axis, across, down, sides } = PLANES[plane];
    const width = data.shape[across], height = data.shape[down];
    section.width = width;
    section.height = height;
    const context = section.getContext("2d");
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const origin = STRIDES[axis] * point[axis];
    for (let row = 0, i = 0; row < height; row++) {
      let voxel = origin + STRIDES[down] * (height - 1 - row) + STRIDES[across] * (width - 1);
      for (let column = 0; column < width; column++, i++, voxel -= STRIDES[across]) {
        pixels[i] = panel.draw(voxel);
      }
    }
    context.putImageData(image, 0, 0);
    const fine = Math.min(...data.zooms);
    const scale = [across, down].map((a) => (data.zooms[a] / fine) * (width > 300 ? 2 : 3));
    const canvas = panel.canvas;
    canvas.width = Math.round(width * scale[0]);
    canvas.height = Math.round(height * scale[1]);
    const drawn = canvas.getContext("2d");
    drawn.imageSmoothingQuality = "high";
    drawn.drawImage(section, 0, 0, canvas.width, canvas.height);
    if (panel.overlay) {
      for (const layer of panel.overlay()) outline(drawn, layer, origin, scale);
    }
    if (cross.shown) drawCross(drawn, canvas, scale);
    panel.sides.forEach((mark, i) => { mark.textContent = sides[i]; });
    canvas.setAttribute("aria-label", `${panel.title}, ${whereText()}`);
  }

  function outline(context, layer, origin, scale) {
    const { across, down } = PLANES[plane];
    const width = data.shape[across], height = data.shape[down];
    const at = (column, row) =>
      column < 0 || row < 0 || column >= width || row >= height ? 0 :
        layer.volume[origin + STRIDES[down] * (height - 1 - row) + STRIDES[across] * (width - 1 - column)];
    const paths = new Map();
    const line = (value, x1, y1, x2, y2) => {
      if (!paths.has(value)) paths.set(value, new Path2D());
      const path = paths.get(value);
      path.moveTo(x1 * scale[0], y1 * scale[1]);
      path.lineTo(x2 * scale[0], y2 * scale[1]);
    };
    for (let row = 0; row <= height; row++) {
      for (let column = 0; column <= width; column++) {
        const here = at(column, row), left = at(column - 1, row), above = at(column, row - 1);
        // A border has the colour of the higher label: gray matter within, CSF around.
        if (here !== left) line(Math.max(here, left), column, row, column, row + 1);
        if (here !== above) line(Math.max(here, above), column, row, column + 1, row);
      }
    }
    context.lineWidth = 1.5;
    for (const [value, path] of paths) {
      context.strokeStyle = layer.colours[value] || "#ffffff";
      context.stroke(path);
    }
  }

  function drawCross(context, canvas, scale) {
    const { across, down } = PLANES[plane];
    const x = (data.shape[across] - 0.5 - point[across]) * scale[0];
    const y = (data.shape[down] - 0.5 - point[down]) * scale[1];
    context.strokeStyle = "rgba(120, 220, 120, 0.9)";
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, canvas.height);
    context.moveTo(0, y);
    context.lineTo(canvas.width, y);
    context.stroke();
  }

  // ---- state --------------------------------------------------------------------------------
  const number = () => point[PLANES[plane].axis] + data.first[PLANES[plane].axis] + 1;
  const whereText = () =>
    `${plane} slice ${number()} of ${data.full[PLANES[plane].axis]}`;

  function update() {
    const axis = PLANES[plane].axis;
    const slider = $("slice");
    slider.max = data.shape[axis] - 1;
    slider.value = point[axis];
    slider.setAttribute("aria-valuetext", whereText());
    $("where").textContent = `${number()} of ${data.full[axis]}`;
    for (const button of document.querySelectorAll("[data-plane]")) {
      button.setAttribute("aria-pressed", String(button.dataset.plane === plane));
    }
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => {
      queued = false;
      panels.forEach(drawSlice);
    });
  }

  function go(index) {
    const axis = PLANES[plane].axis;
    point[axis] = Math.min(data.shape[axis] - 1, Math.max(0, index));
    update();
  }

  function setPlane(name) {
    plane = name;
    update();
  }

  function toggle(id) {
    const box = $(id);
    if (box.parentElement.hidden) return;
    box.checked = !box.checked;
    box.dispatchEvent(new Event("change"));
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target;
    const inSlice = target.id === "slice";
    if (!inSlice && target.matches("select, input:not([type=checkbox])")) return;
    const here = point[PLANES[plane].axis];
    const step = event.shiftKey ? 10 : 1;
    const inViewer = inSlice || target.id === "viewer";
    const actions = {
      ArrowRight: () => go(here + step),
      ArrowLeft: () => go(here - step),
      Home: () => go(0),
      End: () => go(Infinity),
      1: () => setPlane(NAMES[0]),
      2: () => setPlane(NAMES[1]),
      3: () => setPlane(NAMES[2]),
      m: () => toggle("mask"),
      t: () => toggle("tissues"),
      c: () => toggle("cross"),
    };
    // Elsewhere these scroll the page.
    if (inViewer) {
      Object.assign(actions, {
        ArrowUp: () => go(here + step),
        ArrowDown: () => go(here - step),
        PageUp: () => go(here + 10),
        PageDown: () => go(here - 10),
      });
    }
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = actions[key];
    if (action) {
      event.preventDefault();
      action();
    } else if (window.parent !== window && !event.repeat && ["n", "b", "p", "f", "u", "Escape"].includes(key)) {
      window.parent.postMessage({ key }, "*");
    }
  }

  // ---- start --------------------------------------------------------------------------------
  const gray = (level) => {
    const byte = Math.max(0, Math.min(255, Math.round(level)));
    return (0xff000000 | (byte << 16) | (byte << 8) | byte) >>> 0;
  };

  try {
    if (!canvasesAreHonest()) {
      throw new Error("this browser hides what is drawn (protection against fingerprinting); allow canvas data for this page, or use another browser");
    }
    const base = await decode(data.base.source);
    const offsets = [null];
    const tables = [null];
    for (const other of data.others) {
      offsets.push(await decode(other.source));
      tables.push(Float32Array.from(other.table));
    }
    const coded = async (layers) => {
      const found = {};
      for (const [name, layer] of Object.entries(layers)) {
        const volume = await decode(layer.source);
        for (let i = 0; i < volume.length; i++) volume[i] = Math.round(volume[i] / layer.step);
        found[name] = { volume, colours: layer.colours };
      }
      return found;
    };
    const masks = await coded(data.masks);
    const tissues = await coded(data.tissues);

    const names = [data.base.name, ...data.others.map((other) => other.name)];
    let window_ = data.window;
    const level = (k, voxel) =>
      base[voxel] * data.base.percent - (k ? tables[k][offsets[k][voxel]] : 0);
    names.forEach((name, k) => {
      addPanel(
        name,
        (voxel) => gray(((level(k, voxel) - data.black) / (window_ - data.black)) * 255),
        () => [
          ...($("tissues").checked ? [tissues[name] || tissues[""]] : []),
          ...($("mask").checked ? [masks[""]] : []),
        ].filter(Boolean),
      );
    });

    if (names.length > 1) {
      const colours = Uint32Array.from(data.colours);
      const minuend = $("minuend"), subtrahend = $("subtrahend"), limit = $("limit");
      for (const select of [minuend, subtrahend]) {
        names.forEach((name, k) => select.add(new Option(name, k)));
      }
      [minuend.value, subtrahend.value] = data.difference;
      limit.value = data.limit;
      const change = (k, voxel) => (k ? tables[k][offsets[k][voxel]] : 0);
      let a, b, gain;
      const panel = addPanel(
        "",
        (voxel) => {
          const percent = change(b, voxel) - change(a, voxel);
          return colours[Math.max(0, Math.min(255, Math.round(127.5 + percent * gain)))];
        },
        () => ($("mask").checked ? [masks[""]].filter(Boolean) : []),
      );
      const scale = document.createElement("div");
      scale.className = "scale";
      const ends = [document.createElement("span"), document.createElement("span")];
      const bar = document.createElement("canvas");
      bar.width = 256;
      bar.height = 1;
      bar.setAttribute("aria-hidden", "true");
      const strip = bar.getContext("2d").createImageData(256, 1);
      new Uint32Array(strip.data.buffer).set(colours);
      bar.getContext("2d").putImageData(strip, 0, 0);
      scale.append(ends[0], bar, ends[1]);
      panel.figure.append(scale);
      const choose = () => {
        a = Number(minuend.value);
        b = Number(subtrahend.value);
        gain = 127.5 / Number(limit.value);
        panel.title = `${names[a]} − ${names[b]}`;
        panel.caption.textContent = panel.title;
        ends[0].textContent = `−${limit.value} %`;
        ends[1].textContent = `+${limit.value} %`;
        update();
      };
      for (const control of [minuend, subtrahend, limit]) control.addEventListener("input", choose);
      $("for-difference").hidden = false;
      choose();
    }

    $("for-mask").hidden = !masks[""];
    $("for-tissues").hidden = Object.keys(tissues).length === 0;
    for (const [name, colour] of data.legend) {
      const item = document.createElement("li");
      const mark = document.createElement("i");
      mark.style.background = colour;
      item.append(mark, name);
      $("legend").append(item);
    }
    $("mask").addEventListener("change", update);
    $("tissues").addEventListener("change", () => {
      $("legend").hidden = !$("tissues").checked;
      update();
    });
    $("cross").addEventListener("change", () => {
      cross.shown = $("cross").checked;
      update();
    });
    $("brightness").addEventListener("input", () => {
      window_ = data.black + (data.window - data.black) * (100 / Number($("brightness").value));
      update();
    });
    $("slice").addEventListener("input", () => go(Number($("slice").value)));
    for (const button of document.querySelectorAll("[data-plane]")) {
      button.addEventListener("click", () => setPlane(button.dataset.plane));
    }
    document.addEventListener("keydown", onKey);
    $("status").textContent = "";
    document.documentElement.dataset.ready = "true";
    update();
  } catch (error) {
    $("status").textContent = `The images cannot be shown: ${error.message}`;
    console.error(error);
  }
})();
