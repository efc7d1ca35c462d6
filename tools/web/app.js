// The page: controls become a command line, its JSON becomes figures. No arithmetic of its own but
// comparisons of what the program answers.
"use strict";

// What a control sets: an option of the command line, its values, and where it makes sense.
const kControls = [
  { key: "mode", title: "Mode", values: ["training", "inference"] },
  { key: "batch", title: "Batch", range: [0, 10], power: 2, initial: 1 },
  { key: "seq-len", title: "Tokens", range: [7, 17], power: 2, initial: 2048, text: true },
  { key: "img-size", title: "Image size", range: [32, 1024], step: 32, image: true },
  { key: "stack", title: "Stack", values: ["transformers", "pytorch", "pytorch-1.13", "megatron"] },
  { key: "precision", title: "Precision", values: ["amp", "bf16", "fp16", "fp32", "mixed16", "mixed18", "mixed20"], initial: "bf16" },
  { key: "attention", title: "Attention", values: ["fused", "eager"] },
  { key: "optimizer", title: "Optimizer", values: ["adamw", "adam", "sgd", "momentum", "adafactor", "lion", "adamw8bit"], training: true },
  { key: "checkpoint", title: "Checkpointing", values: ["none", "selective", "block"], training: true },
  { key: "quantize", title: "Stored weights", values: ["", "int8", "nf4", "Q4_K_M", "Q8_0"] },
  { key: "lora-rank", title: "LoRA rank (0: none)", range: [0, 8], power: 2, initial: 0, training: true, text: true },
  { key: "lora-targets", title: "LoRA targets", initial: "q_proj,v_proj", training: true, text: true },
  { key: "dp", title: "Data-parallel GPUs", range: [0, 6], power: 2, initial: 1 },
  { key: "fsdp", title: "FSDP", values: ["", "1", "2"], training: true },
  { key: "tp", title: "Tensor-parallel GPUs", range: [0, 3], power: 2, initial: 1 },
  { key: "device", title: "Device", values: [], initial: "rtx4090" },
];
const byId = (id) => document.getElementById(id);
const state = { model: "vit_base_patch16_224" };
let dropped = null;  // {name, text} or {name, blob}
let pinned = null;
let last = null;
let textModel = false;
let imageModel = true;
let devices = [];

// --- The worker

const worker = new Worker(URL.createObjectURL(new Blob([byId("worker").textContent], { type: "text/javascript" })));
const waiting = new Map();
let counter = 0;
worker.onmessage = ({ data }) => {
  if (data.ready) return start();
  waiting.get(data.id)(data.result);
  waiting.delete(data.id);
};
worker.onerror = (event) => fault("the program could not be started: " + event.message);

async function wasmBytes() {
  const packed = Uint8Array.from(atob(byId("wasm").textContent.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}
wasmBytes().then((wasm) => worker.postMessage({ wasm }, [wasm]));

function ask(args, { json = true, drop = [], outputs = [] } = {}) {
  const circumstances = { outputs };
  if (dropped && dropped.blob) circumstances.blobs = { [dropped.name]: dropped.blob };
  else if (dropped) circumstances.input = dropped.text;
  const id = ++counter;
  worker.postMessage({ id, args: json ? [...args, "--format", "json"] : args, circumstances, json, drop });
  return new Promise((resolve) => waiting.set(id, resolve));
}

// --- The command line

const modelArgument = () => (dropped ? (dropped.blob ? dropped.name : "-") : state.model);

// `only`: keys that a command takes.
function optionArguments(only) {
  const args = [];
  for (const control of kControls) {
    const value = state[control.key];
    if (!only.includes(control.key) || value === undefined || value === "" || !applies(control)) continue;
    if (control.key === "lora-targets" && !Number(state["lora-rank"])) continue;
    if (["lora-rank", "dp", "tp"].includes(control.key) && Number(value) <= (control.key === "lora-rank" ? 0 : 1)) continue;
    if (control.key === "fsdp" && Number(state.dp) <= 1) continue;
    args.push("--" + control.key, String(value));
  }
  return args;
}

const kShape = ["batch", "seq-len", "img-size"];
const kMemory = [...kShape, "mode", "stack", "precision", "attention", "optimizer", "checkpoint", "quantize", "lora-rank", "lora-targets", "dp", "fsdp", "tp"];
const applies = (control) => !(control.training && state.mode === "inference") && !(control.text && !textModel) && !(control.image && !imageModel);
const memoryArguments = () => ["memory", modelArgument(), ...optionArguments(kMemory)];
const commandText = () => "vitals " + [...memoryArguments(), "--device", state.device].map((a) => (/[^\w.,=/:-]/.test(a) ? "'" + a + "'" : a)).join(" ");

// --- The page's address holds the state

async function packed(text) {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
}
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).text();
}
async function saveState() {
  const shown = new URLSearchParams(state);
  if (dropped && !dropped.blob) shown.set("spec", await packed(dropped.text));
  history.replaceState(null, "", "#" + shown);
}
async function loadState() {
  const shown = new URLSearchParams(location.hash.slice(1));
  for (const [key, value] of shown)
    if (key === "spec") dropped = { name: "the shared config", text: await unpacked(value) };
    else state[key] = value;
}

// --- Controls

function buildControls() {
  const recipe = byId("recipe");
  for (const control of kControls) {
    const box = document.createElement("div");
    const id = "c-" + control.key;
    const label = document.createElement("label");
    label.htmlFor = id;
    label.textContent = control.title + " ";
    let input;
    if (control.values) {
      input = document.createElement("select");
      for (const value of control.key === "device" ? devices.map((d) => d.name) : control.values)
        input.append(new Option(value || "as computed", value));
    } else {
      input = document.createElement("input");
      input.type = control.range ? "range" : "text";
      if (control.range) {
        [input.min, input.max] = control.range;
        input.step = control.step || 1;
        const shown = document.createElement("output");
        shown.htmlFor = id;
        label.append(shown);
        box.shown = shown;
      }
    }
    input.id = id;
    if (state[control.key] === undefined) state[control.key] = String(control.initial ?? (control.values ? control.values[0] : control.image ? "" : ""));
    const show = () => {
      const value = state[control.key];
      if (!control.range) input.value = value;
      else if (value !== "") input.value = control.power ? (Number(value) > 0 ? Math.log2(Number(value)) : -1) : value;
      if (box.shown) box.shown.textContent = value === "" ? "the model's" : value;
      box.hidden = !applies(control);
    };
    input.addEventListener("input", () => {
      state[control.key] = control.power ? String(control.key === "lora-rank" && Number(input.value) === 0 ? 0 : control.power ** Number(input.value)) : input.value;
      show();
      update();
    });
    control.show = show;
    box.append(label, input);
    recipe.append(box);
  }
}
const showControls = () => kControls.forEach((control) => control.show());

// --- Figures

function fault(text) {
  byId("fault").hidden = !text;
  byId("fault").textContent = text || "";
}

function rows(answer) {
  const { summary, memory, speed, fit } = answer;
  const device = devices.find((d) => d.name === answer.state.device);
  const need = memory.device_memory ? memory.device_memory.allocator : memory.per_device ? memory.per_device.peak.bytes : memory.peak.bytes;
  return [
    ["parameters", summary.totals.params.toLocaleString("en") + " (" + countText(summary.totals.params) + ")"],
    ["forward FLOPs", countText(summary.totals.flops) + " (" + countText(summary.totals.macs) + " MACs)"],
    ["memory of one " + (memory.mode === "training" ? "training step" : "inference"), byteText(need), true],
    ["fits on " + device.name, memory.fits === undefined ? "not known" : memory.fits ? "yes" : "no", true],
    ["largest batch there", fit === null ? "none" : fit === undefined ? "-" : String(fit), true],
    ["peak", memory.peak.phase + (memory.peak.at ? " at " + memory.peak.at : "")],
    ["weights", byteText(memory.bytes.weights)],
    ["gradients", byteText(memory.bytes.gradients)],
    ["optimizer", byteText(memory.bytes.optimizer)],
    ["activations", byteText(memory.bytes.activations)],
    ["KV cache", byteText(memory.bytes.kv_cache)],
    ["predicted speed", speed],
  ];
}

function showAnswers() {
  const now = rows(last);
  const before = pinned ? rows(pinned) : null;
  const head = `<tr><th scope="col">figure</th><th scope="col">${escapeText(last.summary.model)}</th>${before ? `<th scope="col">kept: ${escapeText(pinned.summary.model)}, batch ${escapeText(pinned.state.batch)}</th>` : ""}</tr>`;
  const line = ([title, value, main], i) => `<tr${main ? ' class="main"' : ""}><td>${escapeText(title)}</td><td class="${value === "yes" || value === "no" ? value : ""}">${escapeText(value)}</td>${before ? `<td>${escapeText(before[i][1])}</td>` : ""}</tr>`;
  byId("answers").innerHTML = `<table><thead>${head}</thead><tbody>${now.map(line).join("")}</tbody></table>`;
  const { memory, summary } = last;
  const device = devices.find((d) => d.name === state.device);
  byId("timeline").innerHTML = last.timeline.length > 1 ? timelineChart(last.timeline, device.usable_bytes) : "";
  byId("fills").innerHTML = memory.peak.by_kind ? barChart(Object.entries(memory.peak.by_kind), memory.peak.bytes) : "";
  const need = memory.device_memory ? memory.device_memory.allocator : memory.peak.bytes;
  byId("devices").innerHTML = "<table><thead><tr><th scope=\"col\">device</th><th scope=\"col\">usable</th><th scope=\"col\">used</th><th scope=\"col\">fits</th></tr></thead><tbody>" + devices.filter((d) => d.usable_bytes).map((d) => `<tr><td>${escapeText(d.name)}</td><td>${byteText(d.usable_bytes)}</td><td>${((100 * need) / d.usable_bytes).toFixed(0)} %</td><td class="${need <= d.usable_bytes ? "yes" : "no"}">${need <= d.usable_bytes ? "yes" : "no"}</td></tr>`).join("") + "</tbody></table>";
  byId("treemap").innerHTML = treemapChart(parameterGroups(summary));
  const points = summary.layers ? last.points : [];
  byId("roofline").innerHTML = points.length > 0 && device.peak_flops_per_s ? rooflineChart(points, device.peak_flops_per_s.bf16 || device.peak_flops_per_s.fp16 || device.peak_flops_per_s.fp32, device.bandwidth_bytes_per_s) : "";
  byId("notes").innerHTML = [...new Set([...(summary.notes || []), ...(memory.notes || [])])].map((note) => `<li>${escapeText(note)}</li>`).join("") || "<li>none</li>";
}

// Parameters by the last names of their modules, equal layers together: "blocks.*.mlp.fc1".
function parameterGroups(summary) {
  const groups = new Map();
  for (const layer of summary.layers) {
    if (!layer.params) continue;
    const name = layer.path.split(".").map((part) => (/^\d+$/.test(part) ? "*" : part)).join(".") || "(model)";
    groups.set(name, (groups.get(name) || 0) + layer.params);
  }
  return [...groups];
}

// --- Asking

let running = false;
let again = false;
async function update() {
  if (running) {
    again = true;
    return;
  }
  running = true;
  byId("results").setAttribute("aria-busy", "true");
  const slow = setTimeout(() => (byId("status").textContent = "computing ..."), 150);
  do {
    again = false;
    await refresh();
  } while (again);
  clearTimeout(slow);
  byId("status").textContent = last ? "up to date" : "";
  running = false;
  byId("results").setAttribute("aria-busy", "false");
  saveState();
}

async function speedOf(at) {
  if (textModel) {
    const mode = ["--mode", "serve", "--concurrency", at.batch, "--input-len", at["seq-len"], "--output-len", "128", ...(Number(at.tp) > 1 ? ["--tp", at.tp] : [])];
    const answer = await ask(["predict", modelArgument(), "--device", at.device, ...mode]);
    if (answer.code !== 0) return answer.err.replace(/^vitals( \w+)?: /, "").split("\n")[0];
    const j = answer.json;
    return `${countText(j.tokens_per_s)} tokens/s, ${j.tpot_ms.toFixed(1)} ms a token`;
  }
  const answer = await ask(["predict", modelArgument(), "--device", at.device, "--batch", at.batch, ...(at.mode === "training" ? ["--mode", "training"] : [])]);
  if (answer.code !== 0) return answer.err.replace(/^vitals( \w+)?: /, "").split("\n")[0];
  const one = answer.json.predictions ? answer.json.predictions[0] : answer.json;
  return `${one.samples_per_s.toPrecision(3)} samples/s (${one.range.map((r) => r.toPrecision(3)).join(" to ")})`;
}

async function refresh() {
  const at = { ...state };
  let summary = await ask(["summary", modelArgument(), ...optionArguments(kShape)]);
  if (summary.code !== 0 && /--seq-len|--img-size|img_size/.test(summary.err)) {  // the other kind of model
    textModel = !/--seq-len/.test(summary.err);
    imageModel = !textModel;
    showControls();
    summary = await ask(["summary", modelArgument(), ...optionArguments(kShape)]);
  }
  if (summary.code !== 0) return fault(summary.err.trim());
  const image = Array.isArray(summary.json.input_shape) && summary.json.input_shape.length === 4;
  if (image !== imageModel || image === textModel) {
    imageModel = image;
    textModel = !image;
    showControls();
    again = true;
    return;
  }
  const budget = devices.find((d) => d.name === at.device);
  const memory = await ask([...memoryArguments(), ...(budget.memory_bytes ? ["--device", at.device] : [])], { drop: ["modules"] });
  if (memory.code !== 0) return fault(memory.err.trim());
  if (again) return;
  last = { state: at, summary: summary.json, memory: memory.json, timeline: memory.json.timeline || [], points: [], speed: "...", fit: undefined };
  fault("");
  showAnswers();
  const flops = await ask(["flops", modelArgument(), ...optionArguments(kShape)]);
  if (flops.code === 0)
    last.points = flops.json.modules.filter((m) => m.flops > 0 && m.bytes > 0).map((m) => ({ name: m.path || "(model)", flops: m.flops, intensity: m.intensity })).filter((p) => p.intensity > 0);
  last.speed = await speedOf(at);
  if (!again) showAnswers();
  if (again || !budget.memory_bytes) return;
  const fit = await ask(["memory", modelArgument(), ...optionArguments(kMemory.filter((key) => key !== "batch")), "--fit", at.device], { drop: ["modules", "timeline"] });
  last.fit = fit.code === 0 ? fit.json.batch : fit.code === 3 ? null : undefined;
  if (!again) showAnswers();
}

// --- Files, buttons

async function take(file) {
  if (/\.json$/i.test(file.name)) dropped = { name: file.name, text: await file.text() };
  else dropped = { name: file.name.replace(/[^\w.-]/g, "_"), blob: file };
  byId("model").value = file.name;
  update();
}

function save(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

async function copy(text, said) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // a page from a file may not: a field that the user copies from
    prompt(said, text);
    return;
  }
  byId("status").textContent = said;
}

function savePicture() {
  const chart = byId("timeline").querySelector("svg");
  if (!chart) return;
  const picture = new Image();
  const scale = 2, width = 760, height = Number(chart.getAttribute("viewBox").split(" ")[3]);
  picture.onload = () => {
    const canvas = document.createElement("canvas");
    canvas.width = width * scale;
    canvas.height = height * scale;
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save("memory.png", blob, "image/png"));
  };
  picture.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(chart.outerHTML.replace("<svg ", `<svg width="${width}" height="${height}" color="#1b1f24" font-family="sans-serif" font-size="12" `));
}

function connect() {
  byId("model").addEventListener("change", () => {
    dropped = null;
    state.model = byId("model").value;
    update();
  });
  byId("paste").addEventListener("change", () => {
    const text = byId("paste").value.trim();
    dropped = text ? { name: "the pasted config", text } : null;
    update();
  });
  byId("file").addEventListener("change", () => byId("file").files[0] && take(byId("file").files[0]));
  const zone = document.documentElement;
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    byId("drop").classList.add("over");
  });
  zone.addEventListener("dragleave", () => byId("drop").classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    byId("drop").classList.remove("over");
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("pin").addEventListener("click", () => {
    pinned = pinned ? null : last;
    byId("pin").textContent = pinned ? "Drop the kept one" : "Keep beside";
    showAnswers();
  });
  byId("link").addEventListener("click", async () => {
    await saveState();
    copy(location.href, "The link is copied.");
  });
  byId("command").addEventListener("click", () => copy(commandText(), "The command is copied."));
  byId("html").addEventListener("click", async () => {
    const page = await ask(["report", modelArgument(), ...optionArguments(["batch", "seq-len", "img-size"])], { json: false });
    page.code === 0 ? save("report.html", page.out, "text/html") : fault(page.err.trim());
  });
  byId("csv").addEventListener("click", async () => {
    const table = await ask([...memoryArguments(), "--format", "csv"], { json: false });
    table.code === 0 ? save("memory.csv", table.out, "text/csv") : fault(table.err.trim());
  });
  byId("png").addEventListener("click", savePicture);
}

async function start() {
  await loadState();
  devices = (await ask(["devices"])).json.devices;
  const models = (await ask(["list"])).json.models;
  byId("models").innerHTML = models.map((m) => `<option value="${escapeText(m.model)}">`).join("");
  buildControls();
  showControls();
  connect();
  byId("model").value = dropped ? dropped.name : state.model;
  document.documentElement.dataset.ready = "yes";
  update();
}
