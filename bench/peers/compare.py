#!/usr/bin/env python3
"""vitals, ONNX Runtime and PyTorch on the same forward, taking turns in one run.

ViT-B at 224 pixels, random weights, 1000 classes. Every contender but vitals is a process that
waits between its turns; a turn of vitals is one `vitals bench`. Needs Debian's python3-torch and,
for ONNX Runtime, node and a folder in which `npm install --ignore-scripts onnxruntime-node` ran.

    bench/peers/compare.py --vitals build/vitals --onnxruntime FOLDER [--threads 1,2] [--batch 1,8]

Prints a Markdown table: medians over all turns in ms, then what each contender takes of vitals' time.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def numbers(text):
    return [int(n) for n in text.split(",")]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--vitals", default="build/vitals")
    parser.add_argument("--onnxruntime", metavar="FOLDER", help="holds node_modules/onnxruntime-node")
    parser.add_argument("--models", metavar="FOLDER", help="keeps the exported ONNX models")
    parser.add_argument("--no-pytorch", action="store_true")
    parser.add_argument("--patch", type=numbers, default=[32, 16])
    parser.add_argument("--batch", type=numbers, default=[1, 8])
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--precision", default="fp32,bf16")
    parser.add_argument("--backends", default="native,onednn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=5, help="forwards in a turn")
    return parser.parse_args()


class Waiting:
    """A process that runs as many forwards as a line says."""

    def __init__(self, command):
        # Two pools of spinning threads in one process would fight over the CPUs.
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "PYTHONWARNINGS": "ignore"}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, env=environment)

    def turn(self, runs):
        self.process.stdin.write(f"{runs}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{' '.join(self.process.args)}: ended without a time")
        return [float(t) for t in line.split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Vitals:
    def __init__(self, program, patch, batch, threads, backend, precision):
        self.command = [program, "bench", f"vit_base_patch{patch}_224", "--batch", str(batch), "--threads",
                        str(threads), "--backend", backend, "--precision", precision, "--format", "json"]

    def turn(self, runs):
        out = subprocess.run(self.command + ["--runs", str(runs)], check=True, capture_output=True, text=True)
        return [json.loads(out.stdout)["latency_ms"]["median"]]

    def close(self):
        pass


def contenders(options, patch, batch, threads, models):
    python = ["/usr/bin/python3", os.path.join(HERE, "run_pytorch.py"), str(patch), str(batch), str(threads)]
    found = {}
    for precision in options.precision.split(","):
        for backend in options.backends.split(","):
            found[f"vitals {backend} {precision}"] = Vitals(options.vitals, patch, batch, threads, backend,
                                                            precision)
        if not options.no_pytorch:
            found[f"PyTorch {precision}"] = Waiting(python + [precision])
    if options.onnxruntime:
        model = os.path.join(models, f"vit_{patch}_{batch}.onnx")
        os.makedirs(models, exist_ok=True)
        if not os.path.exists(model):
            subprocess.run(["/usr/bin/python3", os.path.join(HERE, "vit.py"), model, str(patch), str(batch)],
                           check=True, capture_output=True)
        script = os.path.join(HERE, "run_onnxruntime.js")
        found["ONNX Runtime fp32"] = Waiting(["node", script, options.onnxruntime, model, str(batch),
                                              str(threads)])
    return found


def measured(options, patch, batch, threads, models):
    who = contenders(options, patch, batch, threads, models)
    for contender in who.values():
        contender.turn(1)
    times = {name: [] for name in who}
    for _ in range(options.rounds):
        for name, contender in who.items():
            times[name].append(statistics.median(contender.turn(options.runs)))
    for contender in who.values():
        contender.close()
    return {name: statistics.median(t) for name, t in times.items()}


def main():
    options = arguments()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        models = options.models or temporary
        for threads in options.threads:
            for patch in options.patch:
                for batch in options.batch:
                    row = measured(options, patch, batch, threads, models)
                    if not rows:
                        print("| threads | patch | batch |" + "".join(f" {name} |" for name in row))
                        print("|---|---|---|" + "---|" * len(row))
                    print(f"| {threads} | {patch} | {batch} |" + "".join(f" {t:.1f} |" for t in row.values()),
                          flush=True)
                    rows.append(row)
    print("\n| time of a peer over time of vitals | geometric mean | least |\n|---|---|---|")
    for peer in (name for name in rows[0] if not name.startswith("vitals")):
        for ours in (name for name in rows[0] if name.startswith("vitals")):
            ratios = [row[peer] / row[ours] for row in rows]
            mean = math.exp(statistics.mean(math.log(r) for r in ratios))
            print(f"| {peer} against {ours} | {mean:.2f}x | {min(ratios):.2f}x |")


if __name__ == "__main__":
    main()
