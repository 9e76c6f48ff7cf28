"""Writes the rows of a MEDS data set (schema 0.4) to standard output, for src/ingest/meds.c, which runs this text by `python3 -c`.

On standard input stand the files to read, each as `KIND NUMBER FILE` with a zero byte behind it; KIND is split, event or label.

A line `f NUMBER` (fields separated by tabs) stands before the rows of each file; then one line a row:

    s SUBJECT SPLIT         e SUBJECT TIME CODE VALUE         l SUBJECT TIME LABEL

TIME is in microseconds since 1970, empty if null; VALUE a number, empty if null; LABEL 0, 1, or empty if null. The last line is `.`; `! MESSAGE` instead says what is wrong. Columns are formatted
by Arrow as a whole.
"""
import os
import sys

COLUMNS = {
    "split": ["subject_id", "split"],
    "event": ["subject_id", "time", "code", "numeric_value"],
    "label": ["subject_id", "prediction_time", "boolean_value"],
}


class Fault(Exception):
    pass


def microseconds(pa, pc, column, name):
    """Exactly so many; a time of more than microseconds, or none at all, is a fault."""
    if pa.types.is_date(column.type):
        column = pc.cast(column, pa.timestamp("us"))
    if not pa.types.is_timestamp(column.type):
        raise Fault(f"the column {name} holds {column.type}, not times")
    return pc.cast(pc.cast(column, pa.timestamp("us", column.type.tz)), pa.int64())


def text(pa, pc, column, name):
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise Fault(f"the column {name} holds {column.type}, not text")
    column = pc.cast(column, pa.large_string())
    bad = pc.filter(column, pc.match_substring_regex(column, r"[\x00-\x1f]"))
    if len(bad):
        raise Fault(f"the column {name} has a line break, tab or control character in it: {bad[0].as_py()!r}")
    return column


def fields(pa, pc, kind, batch):
    """The columns of a batch of rows as texts, without nulls."""
    columns = []
    for name in COLUMNS[kind]:
        column = batch.column(batch.schema.get_field_index(name))
        if name in ("time", "prediction_time"):
            column = microseconds(pa, pc, column, name)
        elif name in ("code", "split"):
            column = text(pa, pc, column, name)
        elif name == "numeric_value":
            if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_null(column.type)):
                raise Fault(f"the column {name} holds {column.type}, not numbers")
            column = pc.cast(column, pa.float32(), safe=False)
        elif name == "boolean_value":
            if not pa.types.is_boolean(column.type):
                raise Fault(f"the column {name} holds {column.type}, not true and false")
            column = pc.cast(column, pa.int8())
        elif not pa.types.is_integer(column.type):
            raise Fault(f"the column {name} holds {column.type}, not integers")
        columns.append(pc.fill_null(pc.cast(column, pa.large_string()), ""))
    return columns


def write_file(pa, pc, parquet, kind, path, out):
    table = parquet.ParquetFile(path)
    names = table.schema_arrow.names
    missing = [name for name in COLUMNS[kind] if name not in names]
    if missing:
        raise Fault(f"the file lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; it has {', '.join(names)}")
    for batch in table.iter_batches(columns=COLUMNS[kind], batch_size=65536):
        tab = pa.scalar("\t", pa.large_string())
        head = pa.scalar(kind[0], pa.large_string())
        lines = pc.binary_join_element_wise(head, *fields(pa, pc, kind, batch), tab)
        if len(lines):
            out.write("\n".join(lines.to_pylist()).encode() + b"\n")


def main(items, out):
    try:
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as parquet
    except ImportError:
        raise Fault(f"pyarrow, which reads Parquet, is not installed for {sys.executable}: pip install pyarrow, or name another "
                    "interpreter by cohort.python, or by PYTHON in the environment")
    for item in items:
        kind, number, path = item.split(" ", 2)
        out.write(f"f\t{number}\n".encode())
        try:
            write_file(pa, pc, parquet, kind, path, out)
        except BrokenPipeError:
            raise
        except (Fault, OSError, ValueError, pa.ArrowException) as fault:
            reason = " ".join(str(fault).split())
            raise Fault(reason if path in reason else f"{path}: {reason}")


if __name__ == "__main__":
    stream = open(1, "wb", buffering=1 << 20, closefd=False)
    try:
        main(os.fsdecode(sys.stdin.buffer.read()).split("\0")[:-1], stream)
        stream.write(b".\n")
    except Fault as fault:
        stream.write(f"!\t{fault}\n".encode())
    stream.flush()
