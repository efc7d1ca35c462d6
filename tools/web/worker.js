// Runs commands away from the page's thread; the latest request wins. `makeRunner` and `createVitals`
// stand before this text.
let run = null;
self.onmessage = async ({ data }) => {
  if (data.wasm) {
    run = makeRunner(createVitals, await WebAssembly.compile(data.wasm));
    self.postMessage({ ready: true });
    return;
  }
  const { id, args, circumstances, json, drop } = data;
  const result = await run(args, circumstances);
  if (json && result.code === 0) {
    result.json = JSON.parse(result.out);
    result.out = "";
    for (const key of drop || []) delete result.json[key];
  }
  self.postMessage({ id, result });
};
