"""Writes a Parquet file from rows of text on standard input, for src/store/parquet_file.c, which runs this text by `python3 -c`.

arguments: FILE NAME:TYPE...

Rows have their fields separated by tabs, and times as integers (microseconds since 1970). The answer is `.`, or `! MESSAGE`, which says
what is wrong. Some MB of rows are in memory.
"""
import sys


def main(path, columns, rows):
    try:
        import pyarrow as pa
        import pyarrow.csv as csv
        import pyarrow.parquet as parquet
    except ImportError:
        raise ValueError(f"pyarrow, which writes Parquet, is not installed for {sys.executable}: pip install pyarrow")
    kinds = {"timestamp[us]": pa.timestamp("us"), "float32": pa.float32(), "float64": pa.float64(), "bool": pa.bool_(),
             "int64": pa.int64(), "int32": pa.int32(), "string": pa.string()}
    names = [column.partition(":")[0] for column in columns]
    schema = pa.schema([(name, kinds[column.partition(":")[2]]) for name, column in zip(names, columns)])
    text = pa.schema([(field.name, pa.int64() if pa.types.is_timestamp(field.type) else field.type) for field in schema])
    with open(path, "wb") as file, parquet.ParquetWriter(file, schema) as writer:
        if not rows.peek(1):
            return
        reader = csv.open_csv(
            rows,
            read_options=csv.ReadOptions(column_names=names, block_size=1 << 22),
            parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
            convert_options=csv.ConvertOptions(column_types=text, null_values=[""], true_values=["true"], false_values=["false"]))
        for batch in reader:
            writer.write_batch(batch.cast(schema))


if __name__ == "__main__":
    answer = ".\n"
    try:
        main(sys.argv[1], sys.argv[2:], open(0, "rb", buffering=1 << 16, closefd=False))
    except (OSError, ValueError, KeyError) as fault:
        answer = "!" + " ".join(str(fault).split()) + "\n"
    with open(1, "wb", closefd=False) as out:
        out.write(answer.encode())
