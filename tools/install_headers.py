#!/usr/bin/env python3
"""Copies the library's headers to where it is installed (run by `meson install`): SOURCE, folder below the prefix.

What executes a trace, and reports what it measured, stays inside the program: its headers are not installed.
"""
import os
import shutil
import sys
from pathlib import Path

source = Path(sys.argv[1])
target = Path(os.environ["MESON_INSTALL_DESTDIR_PREFIX"]) / sys.argv[2]
for header in sorted(source.rglob("*.h")):
    below = header.relative_to(source)
    if below.parts[0] == "runtime" or below.parts[:2] == ("report", "measured"):
        continue
    (target / below).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(header, target / below)
