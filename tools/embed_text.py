#!/usr/bin/env python3
"""Writes text files as C++ functions that return them (run by Meson at build time).

embed_text.py OUTPUT FUNCTION=FILE...; an empty FILE makes a function that returns nothing. JSON loses its blanks.
"""
import json
import sys

# The longest literal that every compiler takes; longer texts are joined when they are first asked for.
PIECE = 60000


def text_of(path):
    if not path:
        return ""
    with open(path, encoding="utf-8") as file:
        return json.dumps(json.load(file), separators=(",", ":")) if path.endswith(".json") else file.read()


def body(text):
    literals = [f'R"~text~({text[i:i + PIECE]})~text~"' for i in range(0, len(text), PIECE)] or ['""']
    if len(literals) == 1:
        return f"  return {literals[0]};\n"
    pieces = "".join(f"      .append({literal})\n" for literal in literals)
    return f"  static const std::string text = std::string()\n{pieces}      ;\n  return text;\n"


def main(output, *functions):
    with open(output, "w", encoding="utf-8") as out:
        out.write("#include <string>\n#include <string_view>\n\nnamespace vitals {\n\n")
        for entry in functions:
            function, _, path = entry.partition("=")
            out.write(f"std::string_view {function}();\n")
            out.write("// NOLINTNEXTLINE(readability-function-size): a text\n")
            out.write(f"std::string_view {function}() {{\n{body(text_of(path))}}}\n\n")
        out.write("}  // namespace vitals\n")


main(*sys.argv[1:])
