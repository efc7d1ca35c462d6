// Runs vitals' command line in WebAssembly: one fresh instance a command, so that no run leaves
// anything to the next one. In a page's worker and in Node.
"use strict";

// `create` is Emscripten's factory, `module` the compiled WebAssembly.Module. The result is
// run(args, {input, files, blobs, prepare}) -> {code, out, err}:
//   input    text of standard input
//   files    {name: text or Uint8Array}, in the working directory
//   blobs    {name: File}, of a worker: read in pieces where the program asks for them
//   outputs  [name]: files to hand back as Uint8Array, in `written`
//   prepare  called with the instance before it runs (Node mounts the disk)
function makeRunner(create, module) {
  async function instance(input) {
    const bytes = input === undefined ? null : new TextEncoder().encode(input);
    let at = 0;
    return create({
      instantiateWasm(imports, done) {
        WebAssembly.instantiate(module, imports).then((made) => done(made, module));
        return {};
      },
      quit(status, thrown) {
        throw thrown;
      },
      stdin: () => (bytes !== null && at < bytes.length ? bytes[at++] : null),
    });
  }

  // Standard output and error become files: a callback for each byte would take most of the time.
  function capture(fs) {
    for (const [fd, name] of [[1, "/.out"], [2, "/.err"]]) {
      fs.close(fs.getStream(fd));
      const stream = fs.open(name, "w+");
      if (stream.fd !== fd) throw new Error("standard stream " + fd + " is taken");
    }
  }

  return async function run(args, { input, files = {}, blobs = {}, outputs = [], prepare } = {}) {
    const m = await instance(input);
    capture(m.FS);
    if (prepare) prepare(m);
    else {
      m.FS.mkdir("/files");
      m.FS.chdir("/files");
    }
    const names = Object.keys(blobs);
    if (names.length > 0) {
      m.FS.mkdir("/dropped");
      m.FS.mount(m.WORKERFS, { blobs: names.map((name) => ({ name, data: blobs[name] })) }, "/dropped");
      for (const name of names) m.FS.symlink("/dropped/" + name, "/files/" + name);
    }
    for (const [name, content] of Object.entries(files)) m.FS.writeFile(name, content);
    let code;
    try {
      code = m.callMain(args);
    } catch (fault) {
      return { code: 1, out: "", err: "vitals: " + (fault && fault.message ? fault.message : fault) + "\n" };
    }
    const text = (name) => m.FS.readFile(name, { encoding: "utf8" });
    const written = {};
    for (const name of outputs) if (m.FS.analyzePath(name).exists) written[name] = m.FS.readFile(name);
    return { code, out: text("/.out"), err: text("/.err"), written };
  };
}

if (typeof module !== "undefined") module.exports = { makeRunner };
