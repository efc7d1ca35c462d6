#!/usr/bin/env python3
"""The Python package: python_check.py VITALS FOLDER TRACE. Answers must be the program's own to the byte; PyTorch is tried where it is."""
import importlib
import io
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import unittest

VITALS, FOLDER, TRACE = sys.argv[1:4]


def load_package():
    """Meson keeps the extension and the copies in one folder; a package of that name is made of it."""
    root = tempfile.mkdtemp(prefix="vitals-python-")
    os.symlink(os.path.abspath(FOLDER), os.path.join(root, "vitals"))
    sys.path.insert(0, root)
    return importlib.import_module("vitals")


vitals = load_package()


def program(*words):
    return subprocess.run([VITALS, *words], capture_output=True, text=True, check=False)


class Package(unittest.TestCase):
    def test_answers_are_the_program_s(self):
        for made, words in [
                (vitals.summary("vit_base_patch16_224", batch=2), ["summary", "vit_base_patch16_224", "--batch", "2"]),
                (vitals.flops("gpt2", seq_len=16), ["flops", "gpt2", "--seq-len", "16"]),
                (vitals.memory("gpt2", seq_len=64, precision="bf16"), ["memory", "gpt2", "--seq-len", "64", "--precision", "bf16"]),
                (vitals.predict("vit_base_patch16_224", "a100-80gb"), ["predict", "vit_base_patch16_224", "--device", "a100-80gb"]),
                (vitals.compare("gpt2", "gpt2-medium"), ["compare", "gpt2", "gpt2-medium"]),
                (vitals.list_ops(TRACE), ["list-ops", TRACE]),
                (vitals.summary("vit_base_patch16_224", set={"depth": 2}), ["summary", "vit_base_patch16_224", "--set", "depth=2"]),
                (vitals.memory("gpt2", seq_len=32, lora_rank=8, lora_targets=["c_attn", "c_proj"]),
                 ["memory", "gpt2", "--seq-len", "32", "--lora-rank", "8", "--lora-targets", "c_attn,c_proj"])]:
            with self.subTest(words=words):
                self.assertEqual(made.to_dict(), json.loads(program(*words, "--format", "json").stdout))
                self.assertEqual(str(made), program(*words).stdout)

    def test_attributes(self):
        answer = vitals.summary("vit_base_patch32_224")
        self.assertEqual(answer.totals.params, 88224232)  # timm's vit_base_patch32_224
        self.assertEqual(answer["totals"]["macs"], answer.totals.macs)
        self.assertIn("layers", answer)
        self.assertIn("totals", dir(answer))
        with self.assertRaises(AttributeError):
            _ = answer.nothing

    def test_dicts_are_models(self):
        made = vitals.load({"name": "mine", "architecture": "vit", "depth": 1, "embed_dim": 64, "num_heads": 2, "img_size": 32})
        self.assertEqual(made.summary().model, "mine")
        self.assertEqual(made.spec()["depth"], 1)
        self.assertEqual(vitals.summary({"model_type": "gpt2"}).totals.params, 124439808)

    def test_faults(self):
        with self.assertRaisesRegex(vitals.Error, "unknown model 'vit_bas'.*did you mean"):
            vitals.summary("vit_bas")
        with self.assertRaises(vitals.UsageError):
            vitals.summary("gpt2", no_such_option=1)
        with self.assertRaises(vitals.ConditionFailed):
            vitals.summary("gpt2", fail_if="params > 1")
        self.assertTrue(issubclass(vitals.UsageError, ValueError))
        # One command leaves nothing behind for the next.
        self.assertEqual(vitals.summary("gpt2").totals.params, 124439808)
        self.assertEqual(vitals.summary("vit_base_patch32_224").to_dict(),
                         json.loads(program("summary", "vit_base_patch32_224", "--format", "json").stdout))

    def test_tables(self):
        answer = vitals.compare("gpt2", "gpt2-medium")
        self.assertIn("<table>", answer._repr_html_())
        self.assertNotIn("<script", answer._repr_html_())
        self.assertIn("<table>", vitals.load("gpt2")._repr_html_())
        rows = vitals.list_ops(TRACE).to_rows()
        self.assertTrue(rows)

    def test_torch(self):
        try:
            import torch
        except ImportError:
            self.skipTest("no torch")
        module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 5))
        made = vitals.from_torch(module, torch.zeros(2, 3, 8, 8))
        self.assertEqual(made.summary().totals.params, sum(p.numel() for p in module.parameters()))
        self.assertEqual(made.flops().macs, 2 * (8 * 27 * 36 + 8 * 36 * 5))
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            vitals.torchsummary(module, (3, 8, 8))
        self.assertIn("Conv2d-1              [-1, 8, 6, 6]             224", out.getvalue())
        self.assertTrue(out.getvalue().rstrip("\n").endswith("-" * 64))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
