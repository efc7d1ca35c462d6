#!/usr/bin/env python3
"""Writes tables of specs/*.json as C++ (run by Meson at build time): embed_specs.py OUTPUT FUNCTION FILE...

Each file is a JSON array of objects with a name, which must be unique; what an object builds on
("base" of a spec, "like" of a family) must exist.
"""
import json
import sys


def main(output, function, *files):
    entries = {}
    for path in files:
        with open(path, encoding="utf-8") as file:
            for entry in json.load(file):
                name = entry["name"]
                if name in entries:
                    sys.exit(f"{path}: {name}: is described twice")
                entries[name] = entry
    for name, entry in entries.items():
        for key in ("base", "like"):
            if key in entry and entry[key] not in entries:
                sys.exit(f"{name}: its {key} {entry[key]} does not exist")
    with open(output, "w", encoding="utf-8") as out:
        out.write('#include "frontends/spec/builtin_specs.h"\n\nnamespace vitals {\nnamespace {\n\n')
        out.write(f"constexpr BuiltinSpec {function}_entries[] = {{\n")
        for name in sorted(entries):
            text = json.dumps(entries[name], separators=(",", ":"))
            out.write(f'    {{"{name}", R"json({text})json"}},\n')
        out.write("};\n\n}  // namespace\n\n")
        out.write(f"std::span<const BuiltinSpec> {function}() {{ return {function}_entries; }}\n\n")
        out.write("}  // namespace vitals\n")


main(*sys.argv[1:])
