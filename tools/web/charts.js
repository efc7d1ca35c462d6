// Charts as SVG text, from numbers alone.
"use strict";

const kPalette = ["#0969da", "#bc4c00", "#1a7f37", "#8250df", "#bf3989", "#9a6700", "#57606a", "#0a7ea4", "#a40e26", "#4d2d00"];
const escapeText = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

function byteText(n) {
  if (n === null || n === undefined) return "-";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) { n /= 1024; ++i; }
  return (i === 0 ? n : n < 10 ? n.toFixed(2) : n < 1000 ? n.toFixed(1) : n.toFixed(0)) + " " + units[i];
}

function countText(n) {
  if (n === null || n === undefined) return "-";
  for (const [size, letter] of [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]])
    if (Math.abs(n) >= size) return (n / size).toPrecision(3) + " " + letter;
  return Number.isInteger(n) ? String(n) : n.toPrecision(3);
}

const svg = (width, height, label, inside) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(label)}">${inside}</svg>`;

// What is live after every op; `limit` draws a line.
function timelineChart(points, limit) {
  const width = 760, height = 220, left = 70, bottom = 24;
  const top = Math.max(limit || 0, ...points.map((p) => p.high)) * 1.05;
  const x = (i) => left + (i / Math.max(1, points.length - 1)) * (width - left - 8);
  const y = (v) => (height - bottom) * (1 - v / top) + 4;
  const line = points.map((p, i) => `${x(i).toFixed(1)},${y(p.high).toFixed(1)}`).join(" ");
  let marks = "", last = "";
  points.forEach((p, i) => {
    if (p.phase !== last) {
      marks += `<line x1="${x(i)}" x2="${x(i)}" y1="4" y2="${height - bottom}" stroke="currentColor" opacity="0.25"/><text x="${Math.min(x(i) + 3, width - 60)}" y="${height - 6}">${escapeText(p.phase)}</text>`;
      last = p.phase;
    }
  });
  for (const part of [0, 0.5, 1]) marks += `<text x="${left - 6}" y="${y(top * part / 1.05) + 4}" text-anchor="end">${byteText(top * part / 1.05)}</text>`;
  if (limit) marks += `<line x1="${left}" x2="${width - 8}" y1="${y(limit)}" y2="${y(limit)}" stroke="#cf222e" stroke-dasharray="6 4"/><text x="${width - 10}" y="${y(limit) - 4}" text-anchor="end">device</text>`;
  return svg(width, height, "Bytes live over one step", `<polygon points="${left},${height - bottom} ${line} ${width - 8},${height - bottom}" fill="${kPalette[0]}" opacity="0.25"/><polyline points="${line}" fill="none" stroke="${kPalette[0]}" stroke-width="1.5"/>${marks}`);
}

// Shares of one whole, as one bar with its legend.
function barChart(shares, whole) {
  const width = 760, row = 20;
  let at = 0, bars = "", legend = "";
  shares.forEach(([name, bytes], i) => {
    const w = (bytes / whole) * width;
    bars += `<rect x="${at}" y="0" width="${Math.max(0, w)}" height="26" fill="${kPalette[i % kPalette.length]}"><title>${escapeText(name)}: ${byteText(bytes)}</title></rect>`;
    const lx = (i % 3) * 253, ly = 46 + Math.floor(i / 3) * row;
    legend += `<rect x="${lx}" y="${ly - 10}" width="12" height="12" fill="${kPalette[i % kPalette.length]}"/><text x="${lx + 18}" y="${ly}">${escapeText(name)} ${byteText(bytes)}</text>`;
    at += w;
  });
  return svg(width, 50 + Math.ceil(shares.length / 3) * row, "What fills the peak", bars + legend);
}

// The whole name where it fits, else its end.
function labelOf(cell) {
  const fits = [cell.name, cell.name.split(".").pop()].find((name) => cell.w > name.length * 6.5 + 8);
  return fits && cell.h > 18 ? `<text x="${cell.x + 4}" y="${cell.y + 15}">${escapeText(fits)}</text>` : "";
}

// Squarified treemap (Bruls, Huizing and van Wijk 2000) of named sizes.
function treemapChart(items) {
  const width = 760, height = 300;
  const whole = items.reduce((sum, [, size]) => sum + size, 0);
  if (whole === 0) return "";
  let rest = items.filter(([, size]) => size > 0).sort((a, b) => b[1] - a[1]).map(([name, size]) => ({ name, size, area: (size / whole) * width * height }));
  let box = { x: 0, y: 0, w: width, h: height };
  const cells = [];
  const worst = (row, side) => {
    const sum = row.reduce((s, c) => s + c.area, 0);
    return Math.max(...row.map((c) => Math.max((side * side * c.area) / (sum * sum), (sum * sum) / (side * side * c.area))));
  };
  while (rest.length > 0) {
    const side = Math.min(box.w, box.h);
    const row = [rest[0]];
    let i = 1;
    while (i < rest.length && worst([...row, rest[i]], side) <= worst(row, side)) row.push(rest[i++]);
    const sum = row.reduce((s, c) => s + c.area, 0), thick = sum / side;
    let along = 0;
    for (const c of row) {
      const length = c.area / thick;
      cells.push(box.w >= box.h ? { ...c, x: box.x, y: box.y + along, w: thick, h: length } : { ...c, x: box.x + along, y: box.y, w: length, h: thick });
      along += length;
    }
    box = box.w >= box.h ? { x: box.x + thick, y: box.y, w: box.w - thick, h: box.h } : { x: box.x, y: box.y + thick, w: box.w, h: box.h - thick };
    rest = rest.slice(i);
  }
  return svg(width, height, "Parameters by module", cells.map((c, i) =>
    `<g class="cell"><rect x="${c.x}" y="${c.y}" width="${c.w}" height="${c.h}" fill="${kPalette[i % kPalette.length]}" stroke="var(--ground)"><title>${escapeText(c.name)}: ${countText(c.size)}</title></rect>` +
    labelOf(c) + "</g>").join(""));
}

// FLOP/s that a module can reach at most, by its arithmetic intensity, under a device's roof.
function rooflineChart(points, peak, bandwidth) {
  const width = 760, height = 260, left = 60, bottom = 30;
  const ridge = peak / bandwidth;
  const lowX = Math.min(0.1, ...points.map((p) => p.intensity)), highX = Math.max(ridge * 10, ...points.map((p) => p.intensity));
  const x = (v) => left + (Math.log(v / lowX) / Math.log(highX / lowX)) * (width - left - 10);
  const lowY = lowX * bandwidth;
  const y = (v) => (height - bottom) * (1 - Math.log(v / lowY) / Math.log((peak * 2) / lowY)) + 4;
  const roof = (v) => Math.min(peak, v * bandwidth);
  const most = Math.max(...points.map((p) => p.flops));
  const dots = points.map((p) => `<circle cx="${x(p.intensity).toFixed(1)}" cy="${y(roof(p.intensity)).toFixed(1)}" r="${(3 + 9 * Math.sqrt(p.flops / most)).toFixed(1)}" fill="${p.intensity < ridge ? kPalette[1] : kPalette[0]}" opacity="0.6"><title>${escapeText(p.name)}: ${p.intensity.toFixed(1)} FLOP/B, ${countText(p.flops)}FLOPs</title></circle>`).join("");
  return svg(width, height, "Roofline", `<polyline points="${x(lowX)},${y(lowY)} ${x(ridge)},${y(peak)} ${x(highX)},${y(peak)}" fill="none" stroke="currentColor"/>${dots}<text x="${x(ridge)}" y="${y(peak) - 6}" text-anchor="middle">${countText(peak)}FLOP/s, ridge at ${ridge.toFixed(0)} FLOP/B</text><text x="${width - 10}" y="${height - 8}" text-anchor="end">FLOPs per byte</text><text x="4" y="${y(lowY * 1.2)}">${countText(lowY)}FLOP/s</text>`);
}
