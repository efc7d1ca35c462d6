#!/usr/bin/env python3
"""A picture of what vitals shows on a terminal, from its real output.

    terminal_svg.py VITALS PICTURE.svg 'vitals memory vit_base_patch16_224 --width 96'
    terminal_svg.py VITALS PICTURE.svg

The first writes the picture of a command, the second checks that the picture is still what its command prints (exit code 1 if
not); the command stands in the picture's description. Only vitals and its arguments are run, no shell.
"""
import os
import re
import shlex
import subprocess
import sys
import unicodedata
from html import escape, unescape
from pathlib import Path

# The colours of the escapes that vitals writes (lib/report/text/paint.cpp), on a dark ground.
STYLES = {"": "#d6dae0", "1": "#ffffff", "2": "#6b7480", "1;31": "#ff7b72", "33": "#e3b341"}
CELL, LINE, SIZE, MARGIN = 8.4, 19, 14, 16


def output(vitals, command):
    words = shlex.split(command)
    if words[0] != "vitals":
        sys.exit(f"no command of vitals: {command}")
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run([vitals, *words[1:], "--color", "always"], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.rstrip("\n").split("\n")


def columns(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def runs(line):
    """(column, style, text) of each stretch of one style, without the blanks around it."""
    at = 0
    style = ""
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if part.startswith("\x1b"):
            style = part[2:-1].lstrip("0")
            continue
        for piece in re.finditer(r"\S+(?: \S+)*", part):
            yield at + columns(part[:piece.start()]), style, piece.group()
        at += columns(part)


def text(line, y):
    # textLength holds every stretch to its columns, whatever font the reader has.
    return "".join(f'<text x="{MARGIN + CELL * column:.1f}" y="{y}" textLength="{CELL * columns(piece):.1f}" fill="{STYLES[style]}"'
                   f'{" font-weight=" + chr(34) + "bold" + chr(34) if style.startswith("1") else ""}>{escape(piece)}</text>\n'
                   for column, style, piece in runs(line))


def picture(vitals, command):
    lines = [f"\x1b[2m$\x1b[0m \x1b[1m{command}\x1b[0m", *output(vitals, command)]
    width = 2 * MARGIN + CELL * max(columns(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines)
    height = 2 * MARGIN + LINE * len(lines)
    body = "".join(text(line, MARGIN + LINE * i + SIZE) for i, line in enumerate(lines))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}"'
            f' font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="{SIZE}"'
            f' xml:space="preserve">\n<desc>{escape(command)}</desc>\n'
            f'<rect width="100%" height="100%" rx="8" fill="#14181d"/>\n{body}</svg>\n')


def main(vitals, path, *command):
    path = Path(path)
    if command:
        path.write_text(picture(vitals, command[0]), encoding="utf-8")
        return 0
    there = path.read_text(encoding="utf-8")
    command = unescape(re.search(r"<desc>(.*?)</desc>", there).group(1))
    if there == picture(vitals, command):
        return 0
    print(f"{path} no longer shows what `{command}` prints; write it anew: {sys.argv[0]} VITALS {path} '{command}'")
    return 1


sys.exit(main(*sys.argv[1:]))
