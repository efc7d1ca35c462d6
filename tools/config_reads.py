#!/usr/bin/env python3
"""Which fields of a Hugging Face config the code of a model reads: the facts of tests/data/hf_config_reads.json.

usage: tools/config_reads.py FOLDER ORIGIN > tests/data/hf_config_reads.json

FOLDER holds modeling code in Python, under the names of transformers (modeling_llama.py) or of text-generation-inference
(flash_llama_modeling.py); ORIGIN says where it is from (repository and commit). A read is config.NAME or getattr(config, "NAME", ...),
of the config itself and not of a part. Names that the serving code adds to a config are left out.
"""
import json
import pathlib
import re
import sys

READ = re.compile(r'(?<![\w.])(?:self\.)?config\.([a-z_]\w*)(?!\w*\s*\()')
GETATTR = re.compile(r'getattr\(\s*(?:self\.)?config\s*,\s*"(\w+)"')
FILE = re.compile(r'^(?:modeling_(\w+)|(?:flash_)?(\w+)_modeling)\.py$')
# Files that are named otherwise than their model_type.
TYPES = {'rw': 'falcon', 'neox': 'gpt_neox', 'santacoder': 'gpt_bigcode', 'phi_moe': 'phimoe', 'gemma3': 'gemma3_text'}
# What a server adds, and parts with fields of their own.
ADDED = {'quantize', 'speculator', 'use_medusa', 'sharded', 'use_parallel', 'text_config', 'vision_config', 'image_token_index', 'attn_config',
         'ffn_config'}


def reads(text):
    names = set(READ.findall(text)) | set(GETATTR.findall(text))
    return {name for name in names if name not in ADDED and not name.startswith('_')}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    found = {}
    for path in sorted(pathlib.Path(sys.argv[1]).rglob('*.py')):
        match = FILE.match(path.name)
        if not match:
            continue
        name = match[1] or match[2]
        found.setdefault(TYPES.get(name, name), set()).update(reads(path.read_text()))
    facts = {'origin': sys.argv[2], 'reads': {name: sorted(fields) for name, fields in sorted(found.items()) if fields}}
    json.dump(facts, sys.stdout, indent=1)
    print()


if __name__ == '__main__':
    main()
