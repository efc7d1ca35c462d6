#!/usr/bin/env python3
"""Writes a header that names the commit which vitals is built from (run by Meson when it changes)."""
import subprocess
import sys

try:
    commit = subprocess.run(["git", "-C", sys.argv[2], "rev-parse", "--short=10", "HEAD"],
                            check=True, capture_output=True, text=True).stdout.strip()
except (OSError, subprocess.CalledProcessError):
    commit = "unknown"
with open(sys.argv[1], "w", encoding="utf-8") as out:
    out.write(f'#define VITALS_COMMIT "{commit}"\n')
