#!/usr/bin/env python3
"""Turns MedTok's all_codes_mappings.parquet into the TSV that `medtok prepare` reads.

usage: parquet_to_tsv.py all_codes_mappings.parquet OUT.tsv.gz

Reads med_code, desc, code_system, pkg_index_list; other columns are not touched. Line breaks and tabs in descriptions become
blanks. The file appears under its name when it is whole. Needs pyarrow (pip install pyarrow).
"""
import contextlib
import gzip
import io
import os
import sys

COLUMNS = ["med_code", "desc", "code_system", "pkg_index_list"]


def stop(message):
    sys.exit(f"parquet_to_tsv.py: {message}")


def clean(text):
    return "" if text is None else " ".join(str(text).split())


def nodes_of(value):
    """A list of node indices, however it was stored: a list, one number, a text such as "[1, 2]", or nothing."""
    if value is None:
        return ""
    if isinstance(value, str):
        value = value.strip("[] ").replace(",", " ").split()
    if isinstance(value, (int, float)):
        value = [value]
    return ";".join(str(int(v)) for v in value)


def convert(source, target):
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        stop("pyarrow is not installed: pip install pyarrow")
    try:
        table = parquet.ParquetFile(source)
    except (OSError, ValueError) as error:
        stop(f"{source}: {error}")
    missing = [c for c in COLUMNS if c not in table.schema_arrow.names]
    if missing:
        stop(f"{source} lacks the columns {', '.join(missing)}; it has {', '.join(table.schema_arrow.names)}")
    temporary, rows = target + ".tmp", 0
    try:
        # Packed without name and time, so that the same table is the same bytes, and what was made from it stays up to date.
        with open(temporary, "wb") as raw, (
            gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if target.endswith(".gz") else contextlib.nullcontext(raw)
        ) as packed, io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as out:
            out.write("\t".join(COLUMNS) + "\n")
            for batch in table.iter_batches(columns=COLUMNS, batch_size=65536):
                data = batch.to_pydict()
                for code, text, system, nodes in zip(*(data[c] for c in COLUMNS)):
                    out.write(f"{clean(code)}\t{clean(text)}\t{clean(system)}\t{nodes_of(nodes)}\n")
                    rows += 1
        os.replace(temporary, target)
    except OSError as error:
        stop(f"{target}: {error}")
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
    print(f"{target}: {rows} codes")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    convert(sys.argv[1], sys.argv[2])
