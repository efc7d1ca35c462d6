#!/usr/bin/env node
// The command line in Node: npx vitals-wasm summary vit_base_patch32. Files are those of the disk.
"use strict";

const fs = require("fs");
const { run } = require("./index.js");

// The top folders of the disk, but for those of the system's own.
function mountDisk(m) {
  for (const name of fs.readdirSync("/")) {
    if (["dev", "proc", "sys"].includes(name)) continue;
    try {
      if (!fs.statSync("/" + name).isDirectory()) continue;
    } catch {
      continue;
    }
    if (!m.FS.analyzePath("/" + name).exists) m.FS.mkdir("/" + name);
    m.FS.mount(m.NODEFS, { root: "/" + name }, "/" + name);
  }
  m.FS.chdir(process.cwd());
}

const reads = process.argv.slice(2).includes("-");
run(process.argv.slice(2), {
  prepare: mountDisk,
  input: reads ? fs.readFileSync(0, "utf8") : undefined,
}).then((result) => {
  process.stdout.write(result.out);
  process.stderr.write(result.err);
  process.exitCode = result.code;
});
