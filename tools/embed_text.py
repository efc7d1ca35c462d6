#!/usr/bin/env python3
"""Writes a JSON file as a C++ function that returns its text (run by Meson at build time)."""
import json
import sys


def main(output, function, path):
    with open(path, encoding="utf-8") as file:
        text = json.dumps(json.load(file), separators=(",", ":"))
    with open(output, "w", encoding="utf-8") as out:
        out.write("#include <string_view>\n\nnamespace vitals {\n\n")
        out.write(f"std::string_view {function}();\n")
        out.write(f'std::string_view {function}() {{ return R"json({text})json"; }}\n\n')
        out.write("}  // namespace vitals\n")


main(*sys.argv[1:])
