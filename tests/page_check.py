#!/usr/bin/env python3
"""Opens reports in headless Chromium and uses them: page_check.py VITALS CHROMIUM.

A probe in the page clicks, types and reads as a person would; what it saw comes back in the dumped document. Checked:
nothing fails or is fetched, charts are drawn, the figures are those of the other commands, tables sort and can be
searched, the treemap can be entered by keyboard, and what a screen reader needs is there.
"""
import html
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

vitals, chromium = sys.argv[1:3]
failures = []

# Before all other scripts: collects what goes wrong.
WATCH = """<script>
window.seen = [];
window.addEventListener("error", (e) => seen.push("error: " + e.message));
document.addEventListener("securitypolicyviolation", (e) => seen.push("fetched: " + e.blockedURI));
for (const level of ["error", "warn"]) console[level] = (...a) => seen.push(level + ": " + a.join(" "));
</script>"""

USE = """<script>
window.addEventListener("load", () => setTimeout(() => {
  const out = { models: [] };
  const text = (e) => e.textContent;
  for (const section of document.querySelectorAll("section")) {
    const model = { figures: [...section.querySelectorAll(".vitals .exact")].map(text), charts: {}, unnamed: 0 };
    for (const canvas of section.querySelectorAll("canvas")) {
      const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      model.charts[canvas.dataset.chart] = pixels.some((v) => v !== 0);
    }
    const table = section.querySelector("table[id^=layers]");
    const column = [...table.tHead.rows[0].cells].findIndex((c) => text(c).startsWith("params"));
    const params = () => [...table.tBodies[0].rows].map((r) => Number(text(r.cells[column]).replace(/,/g, "")));
    model.sum = params().reduce((a, b) => a + b, 0);
    const button = table.tHead.rows[0].cells[column].querySelector("button");
    button.click();
    model.ascending = params().every((v, i, a) => i === 0 || a[i - 1] <= v);
    button.click();
    model.descending = params().every((v, i, a) => i === 0 || a[i - 1] >= v);
    model.sorted = table.tHead.rows[0].cells[column].getAttribute("aria-sort");
    const search = section.querySelector("[data-search]");
    search.value = "head";
    search.dispatchEvent(new Event("input"));
    model.found = [...table.tBodies[0].rows].filter((r) => !r.hidden).every((r) => text(r).toLowerCase().includes("head"));
    model.hidden = [...table.tBodies[0].rows].some((r) => r.hidden);
    search.value = "";
    search.dispatchEvent(new Event("input"));
    const map = section.querySelector(".treemap");
    const caption = section.querySelector("figcaption");
    model.whole = text(caption);
    map.querySelector("button.container").click();
    model.inside = text(caption);
    model.focus = document.activeElement.parentElement === map;
    map.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    model.outside = text(caption);
    for (const e of section.querySelectorAll("button, input, canvas"))
      if (!(e.getAttribute("aria-label") || text(e) || e.labels?.length)) model.unnamed += 1;
    out.models.push(model);
  }
  out.seen = seen;
  out.wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
  out.landmarks = ["main", "header", "footer", "h1"].map((t) => document.querySelectorAll(t).length);
  const pre = document.createElement("pre");
  pre.id = "probe";
  pre.textContent = JSON.stringify(out);
  document.body.append(pre);
}, 500));
</script>"""


def check(what, ok, seen=""):
    print(f"{'ok    ' if ok else 'FAILED'} {what}{'' if ok else f': {seen}'}")
    if not ok:
        failures.append(what)


def run(*arguments):
    return subprocess.run([vitals, *arguments], check=True, capture_output=True, text=True).stdout


def probe(page, folder, width):
    path = Path(folder) / "page.html"
    path.write_text(page.replace("<head>", "<head>" + WATCH, 1).replace("</body>", USE + "</body>", 1), encoding="utf-8")
    dumped = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile",
         f"--window-size={width},1000", "--virtual-time-budget=8000", "--dump-dom", path.as_uri()],
        check=True, capture_output=True, text=True, timeout=180).stdout
    found = re.search(r'<pre id="probe">(.*?)</pre>', dumped, re.S)
    if not found:
        sys.exit("the page did not come to its end")
    return json.loads(html.unescape(found.group(1)))


def examine(models, width, *options):
    name = f"{' and '.join(models)} at {width} pixels"
    page = run("report", *models, *options)
    check(f"{name}: no address to fetch from",
          not re.search(r'(src|href)="(?!#|data:)', page.split('id="data"')[0]))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        seen = probe(page, folder, width)
    check(f"{name}: nothing fails, nothing is fetched", seen["seen"] == [], seen["seen"])
    check(f"{name}: no sideways scrolling", not seen["wide"])
    check(f"{name}: one main, header, footer and h1", seen["landmarks"] == [1, 1, 1, 1], seen["landmarks"])
    check(f"{name}: a section a model", len(seen["models"]) == len(models))
    for model, m in zip(models, seen["models"]):
        totals = json.loads(run("summary", model, "--format", "json"))["totals"]
        arguments = ["memory", model, "--batch", "32", "--format", "json"]
        training = json.loads(run(*arguments))
        inference = json.loads(run(*arguments, "--mode", "inference"))
        expected = [f"{totals['params']:,}", f"{totals['macs']:,} MACs, twice",
                    f"{training['peak']['bytes']:,} bytes at the peak",
                    f"{inference['peak']['bytes']:,} bytes at the peak", "the length of the sequence"]
        check(f"{name}: {model}: figures of the other commands", m["figures"] == expected, (m["figures"], expected))
        check(f"{name}: {model}: the table sums", m["sum"] == totals["params"], m["sum"])
        check(f"{name}: {model}: charts are drawn",
              {"timeline", "breakdown", "roofline"} | ({"measured"} if "--bench" in options else set()) == set(m["charts"]) and all(m["charts"].values()), m["charts"])
        check(f"{name}: {model}: the table sorts both ways",
              m["ascending"] and m["descending"] and m["sorted"] == "descending", m)
        check(f"{name}: {model}: the search hides the rest", m["found"] and m["hidden"])
        check(f"{name}: {model}: the treemap can be entered and left",
              m["inside"] != m["whole"] and m["outside"] == m["whole"] and m["focus"], m)
        check(f"{name}: {model}: every control has a name", m["unnamed"] == 0, m["unnamed"])


examine(["vit_base_patch16_224"], 1280)
examine(["vit_base_patch16_224", "swin_tiny_patch4_window7_224"], 400)
examine(["vit_tiny_patch16_224"], 800, "--bench")
sys.exit(f"{len(failures)} failed" if failures else 0)
