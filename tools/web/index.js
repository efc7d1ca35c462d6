// vitals as a library for Node: the command line's JSON, from WebAssembly. See index.d.ts.
"use strict";

const fs = require("fs");
const path = require("path");
const { makeRunner } = require("./runner.js");

class VitalsError extends Error {
  constructor(result) {
    super(result.err.trim());
    this.name = "VitalsError";
    this.exitCode = result.code;
  }
}

let runner = null;
function run(args, options) {
  if (runner === null) {
    const wasm = new WebAssembly.Module(fs.readFileSync(path.join(__dirname, "vitals.wasm")));
    runner = makeRunner(require("./vitals.js"), wasm);
  }
  return runner(args, options);
}

// {seqLen: 8, freeze: ["a", "b"], noFold: true} -> --seq-len 8 --freeze a --freeze b --no-fold
function optionArguments(options) {
  const args = [];
  for (const [key, value] of Object.entries(options)) {
    const name = "--" + key.replace(/[A-Z]/g, (letter) => "-" + letter.toLowerCase());
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one === false || one === undefined || one === null) continue;
      args.push(name);
      if (one !== true) args.push(typeof one === "object" ? JSON.stringify(one) : String(one));
    }
  }
  return args;
}

// A name of a built-in model, or a spec or Hugging Face config as an object.
async function ask(command, models, options, format) {
  const given = models.map((model) => (typeof model === "string" ? model : "-"));
  const spec = models.find((model) => typeof model !== "string");
  const result = await run([command, ...given, ...optionArguments(options), ...format],
                           spec === undefined ? {} : { input: JSON.stringify(spec) });
  if (result.code !== 0) throw new VitalsError(result);
  return result.out;
}

const json = ["--format", "json"];
const about = (command) => async (model, options = {}) => JSON.parse(await ask(command, [model], options, json));
const general = (command) => async (options = {}) => JSON.parse(await ask(command, [], options, json));

module.exports = {
  VitalsError,
  run,
  summary: about("summary"),
  flops: about("flops"),
  memory: about("memory"),
  predict: about("predict"),
  rules: about("rules"),
  listOps: about("list-ops"),
  plan: about("plan"),
  spec: async (model, options = {}) => JSON.parse(await ask("spec", [model], options, [])),
  compare: async (models, options = {}) => JSON.parse(await ask("compare", models, options, json)),
  table: (model, options = {}) => ask("summary", [model], options, []),
  report: (model, options = {}) => ask("report", [model], options, []),
  list: general("list"),
  devices: general("devices"),
};
