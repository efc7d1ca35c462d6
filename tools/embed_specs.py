#!/usr/bin/env python3
"""Writes the table of built-in models from specs/*.json (run by Meson at build time).

Each file is a JSON array of specs. A name must be unique, and a base must exist.
"""
import json
import sys


def main(output, *files):
    entries = {}
    for path in files:
        with open(path, encoding="utf-8") as file:
            for spec in json.load(file):
                name = spec["name"]
                if name in entries:
                    sys.exit(f"{path}: {name}: is described twice")
                entries[name] = spec
    for name, spec in entries.items():
        if "base" in spec and spec["base"] not in entries:
            sys.exit(f"{name}: its base {spec['base']} does not exist")
    with open(output, "w", encoding="utf-8") as out:
        out.write('#include "spec/builtin_specs.h"\n\nnamespace vitals {\nnamespace {\n\n')
        out.write("constexpr BuiltinSpec kSpecs[] = {\n")
        for name in sorted(entries):
            text = json.dumps(entries[name], separators=(",", ":"))
            out.write(f'    {{"{name}", R"json({text})json"}},\n')
        out.write("};\n\n}  // namespace\n\n")
        out.write("std::span<const BuiltinSpec> builtin_specs() { return kSpecs; }\n\n")
        out.write("}  // namespace vitals\n")


main(*sys.argv[1:])
