"""The vital signs of a neural network, from its description alone.

    import vitals

    vitals.summary("vit_base_patch16_224").totals.params
    vitals.memory("llama-3-8b", mode="inference", precision="bf16", seq_len=4096).peak.bytes
    vitals.from_torch(module, x).flops()

A model is what the command line takes: a built-in name, the path of a spec, a Hugging Face config.json, a GGUF file, a recorded trace or
a .pt2 archive; or a dict that is a spec, a config or a trace. Keyword arguments are the options of the command line (`vitals memory --help`)
with underscores: batch=8, seq_len=4096, lora_targets=["q_proj", "v_proj"], set={"depth": 24}, details=True. Answers have the keys of the
command's JSON as attributes.
"""
from __future__ import annotations

import csv as _csv
import html as _html
import io as _io
import json as _json
import os as _os
import shutil as _shutil
import tempfile as _tempfile
import weakref as _weakref

from . import _vitals

__all__ = ["Answer", "ConditionFailed", "Error", "Model", "UsageError", "compare", "devices", "flops", "from_torch", "list_models", "list_ops", "load",
           "memory", "plan", "predict", "report", "rules", "spec", "summary", "torchsummary", "version"]


class Error(Exception):
    """A fault in what was given: the message of the command line."""


class UsageError(Error, ValueError):
    """An option that there is not, or a value that it does not take."""


class ConditionFailed(Error):
    """Something asked for does not hold: no batch fits, fail_if is true. `answer` has what was found, or None."""

    answer = None


_FAULTS = {1: Error, 2: UsageError, 3: ConditionFailed}


def _message(err):
    lines = [line for line in err.splitlines() if not line.startswith("Run `vitals ")]
    text = "\n".join(lines).strip()
    return text[len("vitals: "):] if text.startswith("vitals: ") else text


def _run(words):
    code, out, err = _vitals.run([str(w) for w in words])
    out, err = out.decode("utf-8"), err.decode("utf-8")
    if code == 0:
        return out
    fault = _FAULTS.get(code, Error)(_message(err))
    if code == 3 and out.startswith("{"):
        fault.answer = Answer(_json.loads(out), words)
    raise fault


def _words(options):
    words = []
    for name, value in options.items():
        option = "--" + name.rstrip("_").replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            words.append(option)
        elif isinstance(value, dict):
            for key, inner in value.items():
                words += [option, f"{key}={inner if isinstance(inner, str) else _json.dumps(inner)}"]
        elif isinstance(value, (list, tuple)):
            joined = name in ("lora_targets", "shape", "img_size")
            separator = "x" if name == "img_size" else ","
            words += [option, separator.join(map(str, value))] if joined else [w for v in value for w in (option, v)]
        else:
            words += [option, value]
    return [str(w) for w in words]


class Answer:
    """A command's answer. Its keys are attributes and items; `str()` is the page that the command line prints.

    Nested objects are answers, too. In a notebook it shows as tables.
    """

    def __init__(self, data, words=None, keep=None):
        self._data = data
        self._words = words
        self._keep = keep  # the file of a model that was given as a dict or module

    def __getattr__(self, name):
        if not name.startswith("_") and name in self._data:
            return self[name]
        raise AttributeError(f"the answer has no '{name}'; it has {', '.join(self._data)}")

    def __getitem__(self, name):
        value = self._data[name]
        return Answer(value) if isinstance(value, dict) else value

    def __contains__(self, name):
        return name in self._data

    def __iter__(self):
        return iter(self._data)

    def __len__(self):
        return len(self._data)

    def __dir__(self):
        return sorted(set(super().__dir__()) | {k for k in self._data if k.isidentifier()})

    def __eq__(self, other):
        return isinstance(other, Answer) and self._data == other._data

    __hash__ = None

    def keys(self):
        return self._data.keys()

    def to_dict(self):
        """A copy as plain dicts and lists: the JSON of the command line."""
        return _json.loads(_json.dumps(self._data))

    def to_rows(self):
        """The flat table of raw numbers (the CSV of the command line) as a list of dicts."""
        return list(_csv.DictReader(_io.StringIO(_run([*self._command(), "--format", "csv"]))))

    def to_pandas(self):
        """The same as a pandas.DataFrame, with numbers as numbers."""
        import pandas

        return pandas.read_csv(_io.StringIO(_run([*self._command(), "--format", "csv"])))

    def _command(self):
        if self._words is None:
            raise Error("only the whole answer of a command is a table; this is a part of one")
        return self._words

    def __str__(self):
        if self._words is None:
            return _json.dumps(self._data, indent=2)
        return _run([*self._words, "--color", "never"])

    def __repr__(self):
        if self._words is None:
            return f"Answer({self._data!r})"
        return f"<vitals {' '.join(self._words)}>"

    def _repr_html_(self):
        if self._words is None:
            return f"<pre>{_html.escape(str(self))}</pre>"
        return _tables(_run([*self._words, "--format", "markdown", "--color", "never"]))


def _tables(markdown):
    """Markdown as vitals writes it (headings, paragraphs, tables) as HTML."""
    parts, rows = [], []

    def close():
        if not rows:
            return
        right = [c.strip().endswith(":") for c in rows[1]]
        cells = [[_html.escape(c.strip().replace("\\|", "|")).replace("&amp;nbsp;", "&nbsp;") for c in row] for row in rows]
        style = [' style="text-align:right"' if r else ' style="text-align:left"' for r in right]
        head = "".join(f"<th{s}>{c}</th>" for c, s in zip(cells[0], style))
        body = "".join("<tr>" + "".join(f"<td{s}>{c}</td>" for c, s in zip(row, style)) + "</tr>" for row in cells[2:])
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
        rows.clear()

    for line in markdown.splitlines():
        if line.startswith("|"):
            rows.append(line.replace("\\|", "\0").strip("|").split("|"))
            rows[-1] = [c.replace("\0", "|") for c in rows[-1]]
            continue
        close()
        if line.startswith("#"):
            parts.append(f"<h4>{_html.escape(line.lstrip('# '))}</h4>")
        elif line.strip():
            parts.append(f"<p>{_html.escape(line)}</p>")
    close()
    return "".join(parts)


class _File:
    """A description that was given as an object, as a file that lives as long as it is needed."""

    def __init__(self, text, name):
        folder = _tempfile.mkdtemp(prefix="vitals-")
        self._gone = _weakref.finalize(self, _shutil.rmtree, folder, True)
        self.path = _os.path.join(folder, (name or "model").replace(_os.sep, "_") + ".json")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)


class Model:
    """A model that is asked several questions. `vitals.load` and `vitals.from_torch` make it."""

    def __init__(self, name, keep=None):
        self._name = name
        self._keep = keep

    def summary(self, **options):
        return _answer("summary", [self], options)

    def flops(self, **options):
        return _answer("flops", [self], options)

    def memory(self, **options):
        return _answer("memory", [self], options)

    def predict(self, device, **options):
        return _answer("predict", [self], {"device": device, **options})

    def rules(self, **options):
        return _answer("rules", [self], options)

    def list_ops(self, **options):
        return _answer("list-ops", [self], options)

    def spec(self, **options):
        return spec(self, **options)

    def report(self, path=None, **options):
        return report(self, path=path, **options)

    def _repr_html_(self):
        return self.summary(style="tree")._repr_html_()

    def __repr__(self):
        return f"vitals.Model({self._name!r})"


def load(model):
    """The model, checked: a Model whose methods are the commands. Raises Error where it cannot be described."""
    made = _model(model)
    _run(["spec", made._name])
    return made


def _model(model):
    if isinstance(model, Model):
        return model
    if isinstance(model, dict):
        name = model.get("name") if isinstance(model.get("name"), str) else None
        file = _File(_json.dumps(model), name)
        return Model(file.path, file)
    return Model(_os.fspath(model))


def _answer(command, models, options):
    if "format" in options or "output" in options:
        raise UsageError("format and output are the command line's; an answer has to_dict(), to_rows() and str()")
    models = [_model(m) for m in models]
    words = [command, *(m._name for m in models), *_words(options)]
    return Answer(_json.loads(_run([*words, "--format", "json"])), words, models)


def summary(model, **options):
    """Layers, output shapes, parameters and MACs (`vitals summary`)."""
    return _answer("summary", [model], options)


def flops(model, **options):
    """MACs and FLOPs by module, kind of op and convention (`vitals flops`)."""
    return _answer("flops", [model], options)


def memory(model, **options):
    """What training or inference takes (`vitals memory`)."""
    return _answer("memory", [model], options)


def predict(model, device, **options):
    """Latency and throughput on a device that you do not have (`vitals predict`)."""
    return _answer("predict", [model], {"device": device, **options})


def plan(model, **options):
    """Step time and memory of training on many GPUs (`vitals plan`)."""
    return _answer("plan", [model], options)


def compare(*models, **options):
    """Models side by side (`vitals compare`)."""
    return _answer("compare", models, options)


def rules(model, **options):
    """The field's rules of thumb beside the exact numbers (`vitals rules`)."""
    return _answer("rules", [model], options)


def list_ops(model, **options):
    """The kinds of ops with their share of MACs and bytes (`vitals list-ops`)."""
    return _answer("list-ops", [model], options)


def list_models(pattern=None, **options):
    """The built-in models (`vitals list`)."""
    return _answer("list", [] if pattern is None else [pattern], options)


def devices(**options):
    """The known devices (`vitals devices`)."""
    return _answer("devices", [], options)


def spec(model, **options):
    """The resolved spec as a dict: what the model really means (`vitals spec`)."""
    made = _model(model)
    return _json.loads(_run(["spec", made._name, *_words(options)]))


def report(*models, path=None, **options):
    """All of it as one self-contained HTML page: its text, or written to `path` (`vitals report`)."""
    made = [_model(m) for m in models]
    page = _run(["report", *(m._name for m in made), *_words(options)])
    if path is None:
        return page
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)
    return None


def from_torch(module, *inputs, name=None, **kwargs):
    """The Model of any torch.nn.Module: module(*inputs, **kwargs) runs once, and what ran is recorded (shapes only)."""
    from .export_trace import trace

    text = _json.dumps(trace(module, *inputs, name=name, **kwargs), separators=(",", ":"))
    file = _File(text, name or type(module).__name__)
    return Model(file.path, file)


def torchsummary(model, input_size, batch_size=-1, device=None):
    """Prints the table that torchsummary.summary(model, input_size) prints, and nothing else.

    `input_size` is the shape of one sample, or a list of shapes; inputs are float32 on the device of the model's parameters.
    """
    import torch

    sizes = input_size if isinstance(input_size, list) else [input_size]
    first = next(model.parameters(), None)
    where = device if device is not None else first.device if first is not None else "cpu"
    samples = batch_size if batch_size > 0 else 2
    made = from_torch(model, *[torch.rand(samples, *size, device=where) for size in sizes])
    words = ["summary", made._name, "--style", "torchsummary", "--color", "never"]
    if batch_size > 0:
        words += ["--batch", batch_size]
    lines = _run(words).split("\n")
    last = max(i for i, line in enumerate(lines) if line.startswith("-----"))
    print("\n".join(lines[:last + 1]))


def version():
    """The version of the library."""
    return _run(["--version"]).split("\n")[0]
