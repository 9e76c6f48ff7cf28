"""Writes the parents of the codes of a MEDS data set to standard output, for src/ingest/meds_parents.c, which runs this text by `python3 -c`.

On standard input stands the path of metadata/codes.parquet with a zero byte behind it. One line `CODE TAB PARENT` for each parent in its column
parent_codes, none if there is no such column; the last line is `.`, or `! MESSAGE`, which says what is wrong.
"""
import sys


def lines(path):
    import pyarrow.parquet as parquet

    file = parquet.ParquetFile(path)
    if not {"code", "parent_codes"} <= set(file.schema_arrow.names):
        return
    for batch in file.iter_batches(columns=["code", "parent_codes"]):
        for code, parents in zip(batch.column("code").to_pylist(), batch.column("parent_codes").to_pylist()):
            for parent in [parents] if isinstance(parents, str) else parents or []:
                if code and parent and not any(c in code + parent for c in "\t\r\n"):
                    yield f"{code}\t{parent}"


def main():
    path = sys.stdin.buffer.read().split(b"\0")[0].decode()
    try:
        for line in lines(path):
            print(line)
        print(".")
    except ImportError as e:
        print(f"! {path}: {e}: Parquet is read by pyarrow; name a Python that has it by cohort.python")
    except Exception as e:
        print(f"! {path}: {e}".replace("\n", " "))


main()
