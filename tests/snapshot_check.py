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
    print(f"{len(CASES)} snapshots, {failures} wrong")
    return failures


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
