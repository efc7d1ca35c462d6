#!/usr/bin/env python3
"""Records one forward call of any torch.nn.Module as a trace that vitals reads: shapes, no values.

    python3 export_trace.py torchvision.models:resnet18 --input 1,3,224,224 -o resnet18.json
    vitals summary resnet18.json

or in Python, for a module that you have already:

    from export_trace import export_trace
    export_trace(model, x, mask=m, path="model.json")

Needs torch alone, from 1.13 on. The module really runs, so that every branch is the one that your inputs take: on the device where
it is, with the gradients that it has. For a model that is too large for the machine, make module and inputs on the meta device
(`with torch.device("meta")`, or --meta), which allocates nothing.

The file (format "vitals-trace", version 1; docs/trace.md has the schema) holds the modules with their types, the parameters, the
calls of the modules in order, and below them every ATen operator with the shapes of what it reads and writes.
"""
import argparse
import importlib
import inspect
import json
import sys

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

VERSION = 1


def dtype_name(dtype):
    return str(dtype).replace("torch.", "")


def storage_of(tensor):
    return (tensor.untyped_storage() if hasattr(tensor, "untyped_storage") else tensor.storage().untyped())._cdata


class Recorder(TorchDispatchMode):
    """Numbers tensors by the memory that they look into: autograd may wrap one in several Python objects."""

    def __init__(self, module):
        super().__init__()
        self.values = []  # [shape, dtype]
        self.nodes = []
        self.calls = []
        self.stack = []  # of open calls
        self.parameters = []
        self.modules = []
        self.known = {}  # where a tensor lies -> value
        self.owned = {}  # where a parameter lies -> its place in self.parameters
        self.constants = []
        self.keep = []  # tensors whose memory must not be used again for others
        self._describe(module)

    def _describe(self, module):
        self.paths = {}
        for path, child in module.named_modules():
            self.paths.setdefault(child, path)
            self.modules.append([path, type(child).__name__])
        for path, child in module.named_modules():
            own = [(n, p, False) for n, p in child._parameters.items()] + [(n, b, True) for n, b in child._buffers.items()]
            for name, tensor, buffer in own:
                if tensor is not None:
                    self._own((path + "." if path else "") + name, tensor, buffer)

    def _own(self, name, tensor, buffer):
        at = self.place(tensor)
        entry = {"name": name, "shape": list(tensor.shape), "dtype": dtype_name(tensor.dtype)}
        if buffer:
            entry["buffer"] = True
        elif not tensor.requires_grad:
            entry["trainable"] = False
        if tensor.numel() and at in self.owned:
            entry["same_as"] = self.owned[at]
        elif tensor.numel():
            self.owned[at] = len(self.parameters)
        self.keep.append(tensor)
        self.parameters.append(entry)

    @staticmethod
    def place(tensor):
        if tensor.layout != torch.strided:
            return ("object", id(tensor))
        return (storage_of(tensor), tensor.storage_offset(), tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype)

    def made(self, tensor):
        """A new value."""
        value = len(self.values)
        self.values.append([list(tensor.shape), dtype_name(tensor.dtype)])
        self.known[self.place(tensor)] = value
        return value

    def read(self, tensor):
        at = self.place(tensor)
        if at in self.owned and at not in self.known:
            return {"p": self.owned[at]}
        if at not in self.known:  # a tensor that the module keeps outside its parameters and buffers
            self.keep.append(tensor)
            self.constants.append(self.made(tensor))
        return {"v": self.known[at]}

    def argument(self, x):
        if isinstance(x, torch.Tensor):
            return self.read(x)
        if isinstance(x, (list, tuple)):
            return [self.argument(y) for y in x]
        if isinstance(x, torch.dtype):
            return {"dtype": dtype_name(x)}
        if x is None or isinstance(x, (bool, int, str)):
            return x
        if isinstance(x, float):  # JSON has no infinity
            return x if x == x and abs(x) != float("inf") else {"float": repr(x)}
        try:
            return int(x)  # a symbolic size
        except (TypeError, ValueError):
            return {"other": str(x)}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        node = {"op": str(func), "in": [self.argument(x) for x in args]}
        if kwargs:
            node["kw"] = {k: self.argument(x) for k, x in kwargs.items()}
        out = func(*args, **kwargs)
        tensors = [x for x in tree_flatten(out)[0] if isinstance(x, torch.Tensor)]
        node["out"] = [self.made(x) for x in tensors]
        if self.stack:
            node["call"] = self.stack[-1]
        self.nodes.append(node)
        return out

    def tensors(self, x):
        return [self.read(t) for t in tree_flatten(x)[0] if isinstance(t, torch.Tensor)]

    def before(self, module, args, kwargs=None):
        call = {"module": self.paths[module], "begin": len(self.nodes), "in": self.tensors((args, kwargs or {}))}
        if self.stack:
            call["parent"] = self.stack[-1]
        self.stack.append(len(self.calls))
        self.calls.append(call)

    def after(self, module, args, out):
        call = self.calls[self.stack.pop()]
        call["end"] = len(self.nodes)
        call["out"] = self.tensors(out)


def hooked(module, recorder):
    """Hooks on every module; a hook that sees keyword arguments exists from torch 2.0 on."""
    handles = []
    with_kwargs = "with_kwargs" in inspect.signature(module.register_forward_pre_hook).parameters
    for child in recorder.paths:
        options = {"with_kwargs": True} if with_kwargs else {}
        handles.append(child.register_forward_pre_hook(recorder.before, **options))
        handles.append(child.register_forward_hook(recorder.after))
    return handles


def trace(module, *args, name=None, **kwargs):
    """The trace of module(*args, **kwargs) as an object that json can write."""
    recorder = Recorder(module)
    inputs = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, torch.Tensor)]
    recorder.keep.extend(inputs)
    given = [recorder.made(t) for t in inputs]
    handles = hooked(module, recorder)
    fast = getattr(torch.backends, "mha", None)  # one operator for a whole layer, which says nothing of its parts
    was_fast = fast.get_fastpath_enabled() if fast is not None else False
    try:
        if fast is not None:
            fast.set_fastpath_enabled(False)
        with torch.enable_grad(), recorder:
            out = module(*args, **kwargs)
    finally:
        if fast is not None:
            fast.set_fastpath_enabled(was_fast)
        for handle in handles:
            handle.remove()
    return {"format": "vitals-trace", "version": VERSION, "producer": f"export_trace.py, torch {torch.__version__}",
            "model": name or type(module).__name__, "training": bool(module.training), "modules": recorder.modules,
            "parameters": recorder.parameters, "values": recorder.values, "constants": recorder.constants, "inputs": given,
            "outputs": recorder.tensors(out), "calls": recorder.calls, "nodes": recorder.nodes}


def export_trace(module, *args, path, name=None, **kwargs):
    """Writes the trace of module(*args, **kwargs) to a file."""
    text = json.dumps(trace(module, *args, name=name, **kwargs), separators=(",", ":"))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + "\n")


def input_of(text, device):
    shape, _, dtype = text.partition(":")
    sizes = [int(n) for n in shape.split(",") if n]
    kind = getattr(torch, dtype or "float32")
    return torch.zeros(sizes, dtype=kind, device=device)


def main():
    parser = argparse.ArgumentParser(description="Records a forward call of a torch.nn.Module for vitals.")
    parser.add_argument("module", metavar="PACKAGE:CALLABLE", help="what makes the module, e.g. torchvision.models:resnet18")
    parser.add_argument("--arg", action="append", default=[], metavar="VALUE", help="an argument of CALLABLE, as JSON (repeatable)")
    parser.add_argument("--input", action="append", required=True, metavar="N,N,...[:DTYPE]", help="an input tensor (repeatable)")
    parser.add_argument("--train", action="store_true", help="record in training mode (default: evaluation)")
    parser.add_argument("--meta", action="store_true", help="make module and inputs on the meta device: nothing is allocated")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the trace")
    options = parser.parse_args()
    package, _, callable_name = options.module.partition(":")
    sys.path.insert(0, ".")
    make = importlib.import_module(package)
    for part in callable_name.split("."):
        make = getattr(make, part)
    arguments = [json.loads(text) for text in options.arg]
    device = "meta" if options.meta else "cpu"
    if options.meta and hasattr(torch, "set_default_device"):
        torch.set_default_device("meta")
    module = make(*arguments) if callable(make) and not isinstance(make, torch.nn.Module) else make
    if options.meta:
        module = module.to("meta")
    module.train(options.train)
    export_trace(module, *[input_of(text, device) for text in options.input], path=options.output)


if __name__ == "__main__":
    main()
