#!/usr/bin/env python3
"""Writes text files as C++ functions that return them (run by Meson at build time).

embed_text.py OUTPUT FUNCTION=FILE...; an empty FILE makes a function that returns nothing. JSON loses its blanks.
"""
import json
import sys

# A string literal may be limited; adjacent ones are joined.
PIECE = 16000


def text_of(path):
    if not path:
        return ""
    with open(path, encoding="utf-8") as file:
        return json.dumps(json.load(file), separators=(",", ":")) if path.endswith(".json") else file.read()


def literal(text):
    pieces = [text[i:i + PIECE] for i in range(0, len(text), PIECE)] or [""]
    return "\n".join(f'R"~text~({piece})~text~"' for piece in pieces)


def main(output, *functions):
    with open(output, "w", encoding="utf-8") as out:
        out.write("#include <string_view>\n\nnamespace vitals {\n\n")
        for entry in functions:
            function, _, path = entry.partition("=")
            out.write(f"std::string_view {function}();\n")
            out.write(f"std::string_view {function}() {{\n  return {literal(text_of(path))};\n}}\n\n")
        out.write("}  // namespace vitals\n")


main(*sys.argv[1:])
