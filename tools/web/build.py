#!/usr/bin/env python3
"""Puts the browser's page and the npm package together: build.py FOLDER WASM_BUILD VERSION.

FOLDER/vitals.html is one file that works from disk; FOLDER/npm is the package. WASM_BUILD holds vitals.js and vitals.wasm.
"""
import base64
import gzip
import hashlib
import json
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def text(name):
    return (HERE / name).read_text(encoding="utf-8")


def digest(content):
    return "'sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() + "'"


def page(built):
    style, charts, app = text("page.css"), text("charts.js"), text("app.js")
    worker = (built / "vitals.js").read_text(encoding="utf-8") + text("runner.js") + text("worker.js")
    if "</script" in worker + charts + app:
        raise SystemExit("a script holds '</script': it cannot stand in the page")
    wasm = base64.b64encode(gzip.compress((built / "vitals.wasm").read_bytes(), 9, mtime=0)).decode()
    parts = {"SCRIPT_HASHES": digest(charts) + " " + digest(app), "STYLE_HASH": digest(style), "STYLE": style, "WASM": wasm,
             "WORKER": worker, "CHARTS": charts, "APP": app}
    result = text("page.html")
    for name, content in parts.items():
        result = result.replace("{{" + name + "}}", content, 1)
    return result


def package(folder, built, version):
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("vitals.js", "vitals.wasm"):
        shutil.copy(built / name, folder / name)
    for name in ("runner.js", "index.js", "index.d.ts", "cli.js"):
        shutil.copy(HERE / name, folder / name)
    (folder / "package.json").write_text(json.dumps({
        "name": "vitals-wasm", "version": version, "license": "MIT",
        "description": "Key figures of a neural network from its description: parameters, FLOPs, memory, latency",
        "main": "index.js", "types": "index.d.ts", "bin": {"vitals-wasm": "cli.js", "vitals": "cli.js"},
        "files": ["*.js", "*.d.ts", "vitals.wasm"], "engines": {"node": ">=18"}}, indent=2) + "\n", encoding="utf-8")


def main(folder, built, version):
    folder, built = Path(folder), Path(built)
    folder.mkdir(parents=True, exist_ok=True)
    whole = page(built)
    (folder / "vitals.html").write_text(whole, encoding="utf-8")
    package(folder / "npm", built, version)
    print(f"{folder}/vitals.html: {len(whole) / 1e6:.1f} MB, {len(gzip.compress(whole.encode(), 9)) / 1e6:.1f} MB compressed")


main(*sys.argv[1:])
