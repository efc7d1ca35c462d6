// Charts and tables of a vitals report. All figures come from the JSON in #data; nothing is fetched.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const hasCharts = typeof Chart !== "undefined";
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const PALETTE = [0, 1, 2, 3, 4, 5, 6].map((i) => `--c${i}`);

  const exact = (n) => n.toLocaleString("en-US");
  const si = (n) => {
    const units = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
    for (const [size, unit] of units) if (n >= size) return `${(n / size).toPrecision(3)} ${unit}`;
    return exact(n);
  };
  const bytes = (n) => {
    const units = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]];
    for (const [size, unit] of units) if (n >= size) return `${(n / size).toPrecision(3)} ${unit}`;
    return `${exact(n)} B`;
  };

  // --- Treemap: modules as a tree of areas (squarified: Bruls, Huizing, van Wijk 2000)

  function treeOf(modules, quantity) {
    const root = { path: "", label: "", type: "", value: 0, own: 0, children: new Map() };
    for (const m of modules) {
      let node = root;
      const parts = m.path === "" ? [] : m.path.split(".");
      for (let i = 0; i < parts.length; ++i) {
        if (!node.children.has(parts[i]))
          node.children.set(parts[i], {
            path: parts.slice(0, i + 1).join("."), label: parts[i], value: 0, own: 0, children: new Map(),
          });
        node = node.children.get(parts[i]);
      }
      node.own += m[quantity];
      node.type = m.type;
    }
    const sum = (node) => {
      node.value = node.own;
      for (const child of node.children.values()) node.value += sum(child);
      return node.value;
    };
    sum(root);
    return root;
  }

  function squarify(items, x, y, w, h) {
    const total = items.reduce((s, i) => s + i.value, 0);
    if (total <= 0 || w <= 0 || h <= 0) return [];
    const scale = (w * h) / total;
    const rest = [...items].sort((a, b) => b.value - a.value);
    const placed = [];
    const worst = (row, side) => {
      const s = row.reduce((t, i) => t + i.value * scale, 0);
      const max = row[0].value * scale, min = row[row.length - 1].value * scale;
      return Math.max((side * side * max) / (s * s), (s * s) / (side * side * min));
    };
    while (rest.length > 0) {
      const side = Math.min(w, h);
      const row = [rest.shift()];
      while (rest.length > 0 && worst([...row, rest[0]], side) <= worst(row, side)) row.push(rest.shift());
      const depth = row.reduce((t, i) => t + i.value * scale, 0) / side;
      let at = 0;
      for (const item of row) {
        const length = (item.value * scale) / depth;
        placed.push(w >= h ? { item, x, y: y + at, w: depth, h: length } : { item, x: x + at, y, w: length, h: depth });
        at += length;
      }
      if (w >= h) { x += depth; w -= depth; } else { y += depth; h -= depth; }
    }
    return placed;
  }

  // Leaves are coloured by the module that holds them, so that attention and MLP stand apart.
  function colours(root) {
    const holders = new Map();
    const visit = (node, holder) => {
      if (node.children.size === 0 || node.own > 0) holders.set(holder, (holders.get(holder) || 0) + node.own);
      for (const child of node.children.values()) visit(child, child.children.size > 0 ? child.type : node.type);
    };
    visit(root, root.type);
    const order = [...holders.entries()].sort((a, b) => b[1] - a[1]).map(([type]) => type);
    return (type) => `var(${PALETTE[Math.min(Math.max(order.indexOf(type), 0), PALETTE.length - 1)]})`;
  }

  const HEADER = 18;  // pixels of a container's own line

  function setUpTreemap(box) {
    const model = data.models[Number(box.dataset.model)];
    const figure = box.parentElement;
    const caption = figure.querySelector("figcaption");
    const layers = model.summary.layers.map((l) => ({ ...l, flops: 2 * l.macs }));
    const trees = { params: treeOf(layers, "params"), flops: treeOf(layers, "flops") };
    const state = { quantity: "params", path: "" };
    const find = (root, path) =>
      path === "" ? root : path.split(".").reduce((node, part) => node && node.children.get(part), root);

    function area(item, { x, y, w, h }, colour, container, open) {
      const root = trees[state.quantity];
      const unit = state.quantity === "params" ? "parameters" : "FLOPs";
      const share = ((100 * item.value) / root.value).toFixed(1);
      const b = document.createElement("button");
      b.type = "button";
      b.style.cssText = `left:${x}px;top:${y}px;width:${w}px;height:${h}px;background:${open ? "var(--raised)" : colour}`;
      b.className = `${container ? "container" : ""} ${open ? "open" : ""}`;
      b.title = `${item.path || model.model}${item.label === "own" ? " itself" : ""}: ${exact(item.value)} ${unit}, ${share} %`;
      b.setAttribute("aria-label", b.title);
      if (w > 24 && h > 12)
        for (const text of [item.label, `${si(item.value)}, ${share} %`].slice(0, h > 34 ? 2 : 1)) {
          const span = document.createElement("span");
          span.textContent = text;
          b.append(span);
        }
      // Only what one can look into takes part in keyboard navigation, or there would be hundreds of stops.
      if (container) b.addEventListener("click", () => go(item.path));
      else b.tabIndex = -1;
      box.append(b);
    }

    function place(node, x, y, w, h, colourOf) {
      const items = [...node.children.values()].filter((c) => c.value > 0);
      if (node.own > 0 && items.length > 0)
        items.push({ path: node.path, label: "own", value: node.own, own: node.own, children: new Map() });
      for (const at of squarify(items, x, y, w, h)) {
        const { item } = at;
        const inside = [...item.children.values()].filter((c) => c.value > 0);
        const colour = colourOf(item.children.size > 0 ? item.type : node.type);
        const open = inside.length > 0 && at.w > 44 && at.h > HEADER + 16;
        area(item, at, colour, inside.length > 0, open);
        if (open) place(item, at.x + 2, at.y + HEADER, at.w - 4, at.h - HEADER - 2, colourOf);
      }
    }

    function draw() {
      const root = trees[state.quantity];
      const here = find(root, state.path) || root;
      box.replaceChildren();
      const unit = state.quantity === "params" ? "parameters" : "FLOPs";
      caption.textContent = `${here.path || model.model}: ${exact(here.value)} ${unit}. ` +
        (here.path === "" ? "Choose a module to look inside." : "Escape or Up leads back out.");
      place(here, 0, 0, box.clientWidth, box.clientHeight, colours(root));
    }
    function go(path) {
      state.path = path;
      draw();
      const first = box.querySelector("button.container");
      if (first) first.focus();
    }
    const out = () => go(state.path.split(".").slice(0, -1).join("."));
    box.addEventListener("keydown", (e) => { if (e.key === "Escape") out(); });
    figure.querySelector("[data-up]").addEventListener("click", out);
    const choices = [...figure.querySelectorAll("[data-quantity]")];
    for (const b of choices)
      b.addEventListener("click", () => {
        state.quantity = b.dataset.quantity;
        for (const other of choices) other.setAttribute("aria-pressed", String(other === b));
        draw();
      });
    draw();
    new ResizeObserver(draw).observe(box);
  }

  // --- Charts

  const axis = (title, ticks) => ({
    title: { display: true, text: title, color: style("--quiet") },
    ticks: { color: style("--quiet"), callback: ticks, maxRotation: 0 },
    grid: { color: style("--line") },
  });
  // Ticks at whole steps of a binary unit.
  const binaryStep = (max) => {
    const unit = 2 ** (10 * Math.floor(Math.log2(Math.max(max, 1)) / 10));
    for (const step of [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]) if ((step * unit) / 2 >= max / 8) return (step * unit) / 2;
    return 512 * unit;
  };
  const byteAxis = (title, max) => {
    const a = axis(title, (v) => bytes(v));
    a.ticks.stepSize = binaryStep(max);
    return { beginAtZero: true, ...a };
  };
  const legend = (display) => ({ display, labels: { color: style("--text"), boxWidth: 12 } });

  const SHAPES = ["circle", "triangle", "rect", "rectRot", "star"];

  function timeline(canvas) {
    const memory = data.models[Number(canvas.dataset.model)].memory;
    const points = memory.timeline;
    const phases = [...new Set(points.map((p) => p.phase))];
    const at = points.reduce((best, p, i) => (p.high > points[best].high ? i : best), 0);
    const datasets = phases.map((phase, i) => ({
      label: phase,
      data: points.map((p, x) => (p.phase === phase ? { x, y: p.high } : null)).filter((p) => p),
      borderColor: style(PALETTE[i]), backgroundColor: style(PALETTE[i]) + "55",
      fill: "origin", stepped: true, pointRadius: 0, borderWidth: 1,
    }));
    datasets.push({
      label: `peak: ${bytes(points[at].high)}`, data: [{ x: at, y: points[at].high }], borderColor: style("--strong"),
      backgroundColor: style("--strong"), pointRadius: 5, showLine: false,
    });
    return new Chart(canvas, {
      type: "line",
      data: { datasets },
      options: {
        animation: false, maintainAspectRatio: false, parsing: false,
        interaction: { mode: "nearest", axis: "x", intersect: false },
        scales: { x: { type: "linear", max: points.length - 1, ...axis("ops of a step, in order", (v) => exact(v)) },
                  y: byteAxis("bytes allocated", points[at].high) },
        plugins: { legend: legend(true), tooltip: { callbacks: {
          title: (items) => { const p = points[items[0].raw.x]; return `${p.phase}: ${p.at} (${p.op})`; },
          label: (item) => bytes(item.raw.y) } } },
      },
    });
  }

  function breakdown(canvas) {
    const model = data.models[Number(canvas.dataset.model)];
    const kinds = Object.entries(model.memory.peak.by_kind).sort((a, b) => b[1] - a[1]);
    return new Chart(canvas, {
      type: "bar",
      data: { labels: kinds.map(([k]) => k),
              datasets: [{ data: kinds.map(([, v]) => v), backgroundColor: kinds.map((_, i) => style(PALETTE[i % 7])) }] },
      options: {
        animation: false, maintainAspectRatio: false, indexAxis: "y",
        scales: { x: byteAxis("bytes at the peak", kinds[0][1]),
                  y: { ticks: { color: style("--text") }, grid: { display: false } } },
        plugins: { legend: legend(false), tooltip: { callbacks: { label: (i) => bytes(i.raw) } } },
      },
    });
  }

  function roofline(canvas) {
    const model = data.models[Number(canvas.dataset.model)];
    const device = data.device;
    const kinds = [...new Set(model.ops.map((o) => o.kind))];
    // Without time, an op stands on the roof: the most that bandwidth and peak allow at its intensity.
    const roof = (x) => Math.min(device.peak_flops, x * device.bandwidth);
    const seen = new Map();
    for (const o of model.ops) {
      const key = `${o.kind} ${o.intensity.toPrecision(6)}`;
      if (!seen.has(key)) seen.set(key, { ...o, count: 0 });
      seen.get(key).count += 1;
    }
    const ops = [...seen.values()].filter((o) => o.intensity > 0);
    const low = Math.min(0.05, ...ops.map((o) => o.intensity)), high = Math.max(1e4, ...ops.map((o) => 2 * o.intensity));
    const ridge = device.peak_flops / device.bandwidth;
    const datasets = kinds.map((kind, i) => ({
      label: kind, type: "scatter", pointRadius: 6, pointStyle: SHAPES[Math.floor(i / PALETTE.length) % SHAPES.length], backgroundColor: style(PALETTE[i % 7]),
      data: ops.filter((o) => o.kind === kind).map((o) => ({ x: o.intensity, y: roof(o.intensity), op: o })),
    })).filter((d) => d.data.length > 0);
    datasets.push({
      label: `${device.title}, ${device.precision}`, type: "line", borderColor: style("--quiet"), borderWidth: 1.5,
      pointRadius: 0, data: [low, ridge, high].map((x) => ({ x, y: roof(x) })),
    });
    return new Chart(canvas, {
      data: { datasets },
      options: {
        animation: false, maintainAspectRatio: false,
        scales: { x: { type: "logarithmic", min: low, max: high, ...axis("FLOPs per byte", (v) => (Math.log10(v) % 1 === 0 ? exact(v) : "")) },
                  y: { type: "logarithmic", suggestedMax: 2 * device.peak_flops, ...axis("FLOP/s at most", (v) => (Math.log10(v) % 1 === 0 ? si(v) : "")) } },
        plugins: { legend: legend(true), tooltip: { callbacks: { label: (i) => {
          const o = i.raw.op;
          if (!o) return i.dataset.label;
          return `${o.path || model.model}${o.count > 1 ? ` and ${o.count - 1} alike` : ""}: ${si(o.flops)} FLOPs, ` +
                 `${bytes(o.bytes)}, ${o.intensity < ridge ? "bound by memory" : "bound by compute"}`; } } } },
      },
    });
  }

  function measured(canvas) {
    // The blocks of a stack together, as the table has them.
    const folded = new Map();
    for (const op of data.models[Number(canvas.dataset.model)].bench.ops) {
      const path = op.path.replace(/\.\d+(?=\.|$)/, ".*") || "(model)";
      const row = folded.get(path) || { path, median_ms: 0, roofline_ms: 0 };
      row.median_ms += op.median_ms;
      row.roofline_ms += op.roofline_ms;
      folded.set(path, row);
    }
    const rows = [...folded.values()].sort((a, b) => b.median_ms - a.median_ms).slice(0, 12);
    return new Chart(canvas, {
      type: "bar",
      data: { labels: rows.map((r) => r.path),
              datasets: [{ label: "measured", data: rows.map((r) => r.median_ms), backgroundColor: style("--c1") },
                         { label: "roofline", data: rows.map((r) => r.roofline_ms), backgroundColor: style("--c0") }] },
      options: { animation: false, maintainAspectRatio: false, indexAxis: "y",
                 scales: { x: axis("ms", (v) => v),
                           y: { ticks: { color: style("--text") }, grid: { display: false } } },
                 plugins: { legend: legend(true) } },
    });
  }

  const DRAW = { timeline, breakdown, roofline, measured };
  let charts = [];
  function drawCharts() {
    for (const chart of charts) chart.destroy();
    charts = [...document.querySelectorAll("canvas[data-chart]")].map((c) => DRAW[c.dataset.chart](c));
  }

  // --- Tables that sort and can be searched

  // "86,567,656", "17.6 G", "330.2 MiB", "12.5 %", "1.02x"
  const SCALES = { "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
                   B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40, PiB: 2 ** 50, EiB: 2 ** 60 };
  const numberIn = (cell) => {
    const [, digits, unit] = cell.textContent.trim().match(/^(-?[\d.,]+)\s*([A-Za-z]*)[%x]?$/) ?? [];
    return digits === undefined ? null : Number(digits.replace(/,/g, "")) * (SCALES[unit] ?? 1);
  };
  function setUpTable(table) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const key = (row) => row.cells[column];
        const rows = [...body.rows].sort((a, b) => {
          const x = numberIn(key(a)), y = numberIn(key(b));
          const order = x !== null && y !== null ? x - y : key(a).textContent.localeCompare(key(b).textContent, "en", { numeric: true });
          return up ? order : -order;
        });
        body.append(...rows);
      });
    });
    const search = document.querySelector(`[data-search="${table.id}"]`);
    if (!search) return;
    const found = document.querySelector(`[data-found="${table.id}"]`);
    search.addEventListener("input", () => {
      const words = search.value.toLowerCase().split(/\s+/).filter((w) => w);
      let shown = 0;
      for (const row of body.rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((w) => text.includes(w));
        shown += row.hidden ? 0 : 1;
      }
      found.textContent = words.length ? `${shown} of ${body.rows.length} rows` : "";
    });
  }

  document.querySelectorAll("table[data-sortable]").forEach(setUpTable);
  document.querySelectorAll(".treemap").forEach(setUpTreemap);
  if (hasCharts) {
    drawCharts();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);
  }
})();
