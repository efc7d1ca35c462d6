#!/usr/bin/env python3
"""Reads what `vitals memory --export-snapshot` writes as PyTorch's memory viewer does: a pickle with the
keys of torch.cuda.memory._dump_snapshot, whose trace, replayed, has the peak that the program states.

    snapshot_check.py PROGRAM
"""

import json
import pickle
import subprocess
import sys
import tempfile

CASES = [["vit_tiny_patch16_224", "--batch", "8"],
         ["gpt2", "--seq-len", "64", "--stack", "transformers", "--lora-rank", "8"],
         ["llama-3.2-1b", "--seq-len", "64", "--mode", "inference"],
         ["gpt2", "--seq-len", "64", "--dp", "4", "--fsdp", "1"]]


def replay(trace):
    """The highest sum of what is live, and what is live at the end."""
    live = peak = 0
    sizes = {}
    for event in trace:
        if event["action"] == "alloc":
            assert event["addr"] not in sizes, event
            sizes[event["addr"]] = event["size"]
            live += event["size"]
        else:
            assert event["action"] == "free_completed", event
            live -= sizes.pop(event["addr"])
        peak = max(peak, live)
        assert all({"name", "filename", "line"} <= frame.keys() for frame in event["frames"])
    return peak, sizes


BEFORE = ("weights", "buffers", "optimizer states", "input", "kv cache", "workspace")


def step_alone(snapshot):
    """Without what lies there before the step, as history that is recorded from then on."""
    trace = snapshot["device_traces"][0]
    first = next(i for i, event in enumerate(trace) if event["frames"][1]["name"] not in BEFORE)
    return {"segments": snapshot["segments"], "device_traces": [trace[first:]]}


def compared(program, case, folder, snapshot):
    """What --measured says of a snapshot: how many allocations are alike, and what comes then."""
    path = folder + "/measured.json"
    with open(path, "w") as file:
        json.dump(snapshot, file)
    command = [program, "memory", *case, "--format", "json", "--measured", path]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["measured"]


def check_measured(program):
    """A step is like itself; where one allocation is larger, that is found."""
    case = CASES[0]
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/step.pickle"
        subprocess.run([program, "memory", *case, "-o", folder + "/page", "--export-snapshot", path], check=True)
        with open(path, "rb") as file:
            snapshot = step_alone(pickle.load(file))
        same = compared(program, case, folder, snapshot)
        large = [e for e in snapshot["device_traces"][0] if e["action"] == "alloc" and e["size"] >= 1 << 20]
        assert same["alike"] == len(large) and same["then"] == {"predicted": None, "measured": None}, same
        assert same["peak"] == same["predicted_peak"] and same["end"] == same["predicted_end"], same
        large[7]["size"] += 1 << 20
        large[7]["frames"] = [{"name": "forward", "filename": "/src/model.py", "line": 31}]
        other = compared(program, case, folder, snapshot)
        assert other["alike"] == 7 and other["then"]["measured"]["where"] == "model.py:31:forward", other


def main(program):
    failures = 0
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/step.pickle"
            command = [program, "memory", *case, "--format", "json", "--export-snapshot", path]
            answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            with open(path, "rb") as file:
                snapshot = pickle.load(file)
        peak, left = replay(snapshot["device_traces"][0])
        blocks = {b["address"]: b["size"] for s in snapshot["segments"] for b in s["blocks"]}
        stated = answer.get("per_device", answer)["peak"]["bytes"]
        if (peak, left) != (stated, blocks):
            failures += 1
            print(f"{' '.join(case)}: peak {peak}, stated {stated}; {len(left)} live at the end, {len(blocks)} listed")
    check_measured(program)
    print(f"{len(CASES)} snapshots, {failures} wrong")
    return failures


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
