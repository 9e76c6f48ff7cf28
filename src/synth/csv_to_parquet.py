"""Makes Parquet of the tables of a MEDS data set that are CSV; run by jobs/synth.c through `python3 -c`.

standard input, each with a zero byte behind it: KIND FROM TO ... ; KIND is event, split, code, label or facts (an empty dataset.json at TO). A file is written under another name and renamed
when it is whole. The last line of standard output is `.`; `! MESSAGE` instead says what is wrong.
"""
import os
import sys


def schemas(pa):
    time = pa.timestamp("us")
    return {
        "event": pa.schema([("subject_id", pa.int64()), ("time", time), ("code", pa.string()), ("numeric_value", pa.float32()),
                            ("hadm_id", pa.int64())]),
        "split": pa.schema([("subject_id", pa.int64()), ("split", pa.string())]),
        "code": pa.schema([("code", pa.string()), ("description", pa.string()), ("parent_codes", pa.list_(pa.string()))]),
        "label": pa.schema([("subject_id", pa.int64()), ("prediction_time", time), ("boolean_value", pa.bool_())]),
    }


def batches(pa, csv, path, schema):
    types = {field.name: pa.string() if pa.types.is_list(field.type) else field.type for field in schema}
    options = csv.ConvertOptions(column_types=types, strings_can_be_null=False)
    for batch in csv.open_csv(path, read_options=csv.ReadOptions(block_size=16 << 20), convert_options=options):
        columns = []
        for field in schema:
            column = batch.column(field.name)
            if pa.types.is_list(field.type):
                column = pa.array([[value] for value in column.to_pylist()], field.type)
            columns.append(column)
        yield pa.record_batch(columns, schema)


def convert(kind, source, target):
    import pyarrow as pa
    from pyarrow import csv, parquet

    os.makedirs(os.path.dirname(target), exist_ok=True)
    temporary = f"{target}.tmp-medtok-{os.getpid()}"
    try:
        if kind == "facts":
            with open(temporary, "w") as out:
                out.write('{"dataset_name": "a made-up hospital", "meds_version": "0.4.0"}\n')
        else:
            schema = schemas(pa)[kind]
            with parquet.ParquetWriter(temporary, schema) as writer:
                for batch in batches(pa, csv, source, schema):
                    writer.write_batch(batch)
        os.replace(temporary, target)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


def main(arguments):
    try:
        for i in range(0, len(arguments), 3):
            convert(*arguments[i:i + 3])
    except ImportError:
        return f"! pyarrow, which writes Parquet, is not installed for {sys.executable}: pip install pyarrow, or name another interpreter by synth.python"
    except Exception as fault:
        return "! " + " ".join(str(fault).split())
    return "."


print(main(os.fsdecode(sys.stdin.buffer.read()).split("\0")[:-1]))
