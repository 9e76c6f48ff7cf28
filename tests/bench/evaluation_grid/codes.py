"""The rows of code tables that health records use, and their ancestors.

usage: codes.py FOLDER... < codes.tsv > fewer.tsv      FOLDER: a MEDS data set with metadata/codes.parquet
Keeps the header, codes that are a data set's codes or their parents there (ICD9CM/428.0), and what these begin with in the same system.
"""
import os
import sys

import pyarrow.parquet as parquet


def plain(code):
    return code.replace(".", "").upper()


used = {}
for folder in sys.argv[1:]:
    table = parquet.read_table(os.path.join(folder, "metadata", "codes.parquet"), columns=["code", "parent_codes"]).to_pydict()
    for code, parents in zip(table["code"], table["parent_codes"]):
        for text in [code, *(parents or [])]:
            system, _, name = text.partition("/")
            name = plain(name)
            used.setdefault(system.upper(), set()).update(name[:n] for n in range(1, len(name) + 1))
header = sys.stdin.readline()
sys.stdout.write(header)
for line in sys.stdin:
    system, code = line.split("\t", 2)[:2]
    if plain(code) in used.get(system.upper(), ()):
        sys.stdout.write(line)
