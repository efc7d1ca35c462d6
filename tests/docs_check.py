#!/usr/bin/env python3
"""Runs the examples of the documentation: docs_check.py VITALS [--mend] FILE...

An example is an indented line "$ COMMAND" that uses vitals; the lines below it, up to a blank line after which no output
follows, or the next "$", are an excerpt of its output. A line "..." stands for any number of lines. Output that a machine decides
(measurements) is marked with "<!-- not checked: REASON -->" before it. With --mend, what differs is written into the files, from
the first line of the excerpt to its last where these are still there; excerpts with "..." are left to a person.
"""
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

INDENT = "    "
SHORT = 30  # lines; an excerpt whose end is gone is mended to the end of a short output


def examples(path):
    """Yields (line number, command, expected lines)."""
    lines = path.read_text(encoding="utf-8").split("\n")
    skip = False
    i = 0
    while i < len(lines):
        line = lines[i]
        if line.startswith("<!-- not checked:"):
            skip = True
        elif line and not line.startswith(INDENT):
            skip = False
        if not line.startswith(INDENT + "$ "):
            i += 1
            continue
        number, command, output = i + 1, line[len(INDENT) + 2:], []
        i += 1
        while i < len(lines) and (lines[i].startswith(INDENT) or lines[i] == "") and not lines[i].startswith(INDENT + "$ "):
            output.append(lines[i][len(INDENT):])
            i += 1
        while output and output[-1] == "":
            output.pop()
        if not skip and re.search(r"\bvitals\b|\$\?", command):
            yield number, command, output


def matches(expected, seen):
    pattern = "".join("(?:.*\n)*?" if line == "..." else re.escape(line.rstrip()) + "\n" for line in expected)
    return re.search("^" + pattern, "".join(line.rstrip() + "\n" for line in seen), re.M) is not None


def mended(expected, seen):
    """The part of what was seen that stands where the excerpt stood."""
    start = seen.index(expected[0]) if expected and expected[0] in seen else 0
    short = len(seen) - start <= SHORT
    end = len(seen) - seen[::-1].index(expected[-1]) if expected and expected[-1] in seen else len(seen) if short else start + len(expected)
    return seen[start:end]


def mend(path, number, expected, seen):
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[number:number + len(expected)] = [(INDENT + line).rstrip() for line in mended(expected, seen)]
    path.write_text("\n".join(lines), encoding="utf-8")


def main(vitals, *files):
    mending = files[:1] == ("--mend",)
    ran = failed = skipped = 0
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(os.path.abspath(vitals), f"{folder}/vitals")
        environment = {**os.environ, "PATH": folder + ":" + os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        status = 0
        for path in map(Path, files[mending:]):
            moved = 0
            for number, command, expected in examples(path):
                if "jq" in command.split() and shutil.which("jq") is None:
                    skipped += 1
                    continue
                done = subprocess.run(["bash", "-c", f"(exit {status}); {command}"], cwd=folder, env=environment,
                                      capture_output=True, text=True)
                status = done.returncode
                seen = (done.stdout + done.stderr).rstrip("\n").split("\n") if done.stdout + done.stderr else []
                ran += 1
                if not matches(expected, seen):
                    failed += 1
                    print(f"{path}:{number}: $ {command}")
                    print("\n".join(difflib.unified_diff(expected, seen, "documented", "real", lineterm="", n=1)))
                    if mending and "..." not in expected:
                        mend(path, number + moved, expected, seen)
                        moved += len(mended(expected, seen)) - len(expected)
    print(f"{ran} examples, {failed} differ, {skipped} skipped for want of jq")
    return 1 if failed or ran == 0 else 0


sys.exit(main(*sys.argv[1:]))
