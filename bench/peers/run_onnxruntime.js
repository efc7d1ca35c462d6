// Times forwards in ONNX Runtime: node run_onnxruntime.js FOLDER FILE.onnx BATCH THREADS, where
// FOLDER holds node_modules/onnxruntime-node. One line in: how many; out: their milliseconds.
const path = require('path');
const [folder, file, batch, threads] = process.argv.slice(2);
const ort = require(path.resolve(folder, 'node_modules', 'onnxruntime-node'));

(async () => {
  const session = await ort.InferenceSession.create(
      file, {intraOpNumThreads: +threads, interOpNumThreads: 1, graphOptimizationLevel: 'all'});
  const shape = [+batch, 3, 224, 224];
  const values = Float32Array.from({length: shape.reduce((a, b) => a * b)}, () => 2 * Math.random() - 1);
  const feeds = {x: new ort.Tensor('float32', values, shape)};
  for (let i = 0; i < 3; i++) await session.run(feeds);
  for await (const line of require('readline').createInterface({input: process.stdin})) {
    const times = [];
    for (let i = 0; i < +line; i++) {
      const start = process.hrtime.bigint();
      await session.run(feeds);
      times.push((Number(process.hrtime.bigint() - start) / 1e6).toFixed(3));
    }
    console.log(times.join(' '));
  }
})();
