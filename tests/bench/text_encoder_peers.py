"""The peers of `medtok encode`, on the same texts and cores: transformers on PyTorch, and onnxruntime on the same model.

usage: text_encoder_peers.py MODEL_FOLDER TEXTS THREADS
TEXTS: one description a line. Texts are tokenised before the clock starts, sorted by length, cut into batches of one
size, and padded to the longest of the batch; several batch sizes are tried and the best is printed, in texts a second.
"""
import sys
import tempfile
import time

import numpy
import onnxruntime
import torch
import transformers
from tokenizers import Tokenizer

folder, texts, threads = sys.argv[1], open(sys.argv[2], encoding="utf-8").read().splitlines(), int(sys.argv[3])
torch.set_num_threads(threads)
tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
tokenizer.no_padding()
tokenizer.enable_truncation(512)
ids = sorted((e.ids for e in tokenizer.encode_batch(texts)), key=len)
tokens = sum(map(len, ids))
model = transformers.AutoModel.from_pretrained(folder, attn_implementation="sdpa").eval()
for parameter in model.parameters():
    parameter.requires_grad_(False)
config = model.config
flops = sum(config.num_hidden_layers * (2 * len(t) * (4 * config.hidden_size ** 2 + 2 * config.hidden_size * config.intermediate_size)
                                        + 4 * len(t) ** 2 * config.hidden_size) for t in ids)


def batches(size):
    for first in range(0, len(ids), size):
        part = ids[first:first + size]
        width = len(part[-1])
        block = numpy.zeros((len(part), width), dtype=numpy.int64)
        mask = numpy.zeros_like(block)
        for row, t in enumerate(part):
            block[row, :len(t)], mask[row, :len(t)] = t, 1
        yield block, mask


def best(name, run):
    fastest = None
    for size in (16, 32, 64, 128, 256):
        prepared = list(batches(size))
        run(*prepared[len(prepared) // 2])
        start = time.perf_counter()
        for block, mask in prepared:
            run(block, mask)
        seconds = time.perf_counter() - start
        if fastest is None or seconds < fastest[0]:
            fastest = seconds, size
    seconds, size = fastest
    print(f"{name}: {len(ids) / seconds:.0f} texts/s, {tokens / seconds:.0f} tokens/s, {flops / seconds * 1e-9:.0f} GFLOP/s"
          f" (best batch {size})", flush=True)


def run_torch(block, mask):
    with torch.inference_mode():
        model(input_ids=torch.from_numpy(block), attention_mask=torch.from_numpy(mask)).last_hidden_state


print(f"{len(ids)} texts, {tokens} tokens, {flops * 1e-9:.0f} GFLOP, {threads} threads", flush=True)
a, b = torch.randn(1024, config.hidden_size), torch.randn(config.intermediate_size, config.hidden_size)
for _ in range(3):
    a @ b.T
start, n = time.perf_counter(), 0
while time.perf_counter() - start < 1:
    a @ b.T
    n += 1
print(f"PyTorch's sgemm of the same shape: {2 * a.shape[0] * b.numel() * n / (time.perf_counter() - start) * 1e-9:.0f} GFLOP/s")
best(f"transformers {transformers.__version__} on PyTorch {torch.__version__}, fp32", run_torch)
with torch.autocast("cpu", dtype=torch.bfloat16):
    best("the same in bf16 (autocast)", run_torch)
with tempfile.TemporaryDirectory() as scratch:
    path = scratch + "/model.onnx"
    block, mask = next(batches(4))

    class Plain(torch.nn.Module):
        def forward(self, input_ids, attention_mask):
            return model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(Plain(), (torch.from_numpy(block), torch.from_numpy(mask)), path, input_names=["input_ids", "attention_mask"],
                      output_names=["hidden"], dynamic_axes={"input_ids": axes, "attention_mask": axes, "hidden": axes},
                      opset_version=17, dynamo=False, verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    best(f"onnxruntime {onnxruntime.__version__}, fp32",
         lambda block, mask: session.run(None, {"input_ids": block, "attention_mask": mask}))
