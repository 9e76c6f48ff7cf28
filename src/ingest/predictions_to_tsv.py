"""Writes the predictions of a Parquet file to standard output, for src/ingest/predictions.c, which runs this text by `python3 -c`.

standard input: FILE, with a zero byte behind it

A line a row, fields separated by tabs: `r`, the columns below; nothing of one that is null or missing. Times are microseconds since
1970. The last line is `.`; `! MESSAGE` instead says what is wrong.
"""
import os
import sys

NEEDED = ["subject_id", "prediction_time", "boolean_value", "predicted_boolean_probability"]
OPTIONAL = "predicted_boolean_value"


class Fault(Exception):
    pass


def text(pa, pc, column, name):
    kind = column.type
    if name == "prediction_time":
        if not pa.types.is_timestamp(kind) and not pa.types.is_date(kind):
            raise Fault(f"the column {name} holds {kind}, not times")
        column = pc.cast(pc.cast(column, pa.timestamp("us", getattr(kind, "tz", None))), pa.int64())
    elif name == "subject_id":
        if not pa.types.is_integer(kind):
            raise Fault(f"the column {name} holds {kind}, not integers")
    elif name == "predicted_boolean_probability":
        if not (pa.types.is_floating(kind) or pa.types.is_null(kind)):
            raise Fault(f"the column {name} holds {kind}, not numbers")
        column = pc.cast(column, pa.float64())  # a text of float32 alone would tell another double
    elif not (pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise Fault(f"the column {name} holds {kind}, not true and false")
    return pc.fill_null(pc.cast(column, pa.large_string()), "")


def main(path, out):
    try:
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as parquet
    except ImportError:
        raise Fault(f"pyarrow, which reads Parquet, is not installed for {sys.executable}: pip install pyarrow")
    try:
        table = parquet.ParquetFile(path)
        names = table.schema_arrow.names
        missing = [name for name in NEEDED if name not in names]
        if missing:
            raise Fault(f"the file lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; it has {', '.join(names)}")
        columns = NEEDED + [OPTIONAL] * (OPTIONAL in names)
        for batch in table.iter_batches(columns=columns, batch_size=65536):
            fields = [text(pa, pc, batch.column(batch.schema.get_field_index(name)), name) for name in columns]
            fields += [pa.array([""] * len(batch), pa.large_string())] * (OPTIONAL not in names)
            lines = pc.binary_join_element_wise(pa.scalar("r", pa.large_string()), *fields, pa.scalar("\t", pa.large_string()))
            if len(lines):
                out.write("\n".join(lines.to_pylist()).encode() + b"\n")
    except BrokenPipeError:
        raise
    except (Fault, OSError, ValueError, pa.ArrowException) as fault:
        reason = " ".join(str(fault).split())
        raise Fault(reason if path in reason else f"{path}: {reason}")


if __name__ == "__main__":
    stream = open(1, "wb", buffering=1 << 20, closefd=False)
    try:
        main(os.fsdecode(sys.stdin.buffer.read()).split("\0")[0], stream)
        stream.write(b".\n")
    except Fault as fault:
        stream.write(f"!\t{fault}\n".encode())
    stream.flush()
