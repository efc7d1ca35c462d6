"""Times forwards of ViT-B in PyTorch: run_pytorch.py PATCH BATCH THREADS fp32|bf16. One line in: how many; out: their ms."""
import sys
import time

import torch

from vit import Vit

patch, batch, threads = (int(a) for a in sys.argv[1:4])
torch.set_num_threads(threads)
dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[sys.argv[4]]
model = Vit(patch).eval().to(dtype)
x = torch.randn(batch, 3, 224, 224).to(dtype)
with torch.inference_mode():
    for _ in range(3):
        model(x)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            model(x)
            times.append(1e3 * (time.perf_counter() - start))
        print(*[f"{t:.3f}" for t in times], flush=True)
