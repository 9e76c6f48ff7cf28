"""Makes the reference files of adapters under tests/golden/llama/NAME/lora with peft, in float32 on PyTorch; the models are those of
make_llama_golden.py.

usage: make_lora_golden.py   (needs torch, transformers, peft, safetensors)

adapter_config.json, adapter_model.safetensors   random adapters as peft saves them (B is not 0)
logits.tsv              token ids of a text; logits behind its last token, with the adapter; and of the model that peft has merged it into
gradients.safetensors   gradients of the mean cross-entropy of two texts' last tokens, given what is before them, which are in loss.tsv
"""
import os
import shutil

import safetensors.torch
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "llama")
TEXTS = [[32, 17, 50, 9, 101, 7], [5, 77, 140, 3]]


def numbers(values):
    return " ".join(str(v) if isinstance(v, int) else f"{v:.7g}" for v in values)


for name, targets in (("llama3", ["q_proj", "v_proj"]), ("qwen2", ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])):
    folder = os.path.join(HERE, name, "lora")
    shutil.rmtree(folder, ignore_errors=True)
    model = AutoModelForCausalLM.from_pretrained(os.path.join(HERE, name), dtype=torch.float32)
    torch.manual_seed(3)
    model = get_peft_model(model, LoraConfig(r=3, lora_alpha=6, lora_dropout=0.0, target_modules=targets, task_type="CAUSAL_LM"))
    for key, value in model.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(value, std=0.1)
    model.peft_config["default"].base_model_name_or_path = name
    model.save_pretrained(folder)
    os.remove(os.path.join(folder, "README.md"))
    loss = 0
    for text in TEXTS:
        row = model(torch.tensor([text[:-1]])).logits[0, -1]
        loss = loss + torch.nn.functional.cross_entropy(row, torch.tensor(text[-1])) / len(TEXTS)
    loss.backward()
    gradients = {key.replace(".default", ""): value.grad for key, value in model.named_parameters() if value.grad is not None}
    safetensors.torch.save_file(gradients, os.path.join(folder, "gradients.safetensors"))
    with torch.no_grad():
        unmerged = model(torch.tensor([TEXTS[0]])).logits[0, -1].tolist()
        merged = model.merge_and_unload()(torch.tensor([TEXTS[0]])).logits[0, -1].tolist()
    with open(os.path.join(folder, "logits.tsv"), "w", encoding="utf-8", newline="\n") as out:
        out.write("\t".join((numbers(TEXTS[0]), numbers(unmerged), numbers(merged))) + "\n")
    with open(os.path.join(folder, "loss.tsv"), "w", encoding="utf-8", newline="\n") as out:
        for text in TEXTS:
            out.write(f"{numbers(text)}\t{loss.item():.7g}\n")
