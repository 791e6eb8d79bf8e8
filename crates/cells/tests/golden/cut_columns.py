"""Keeps the columns of the log-normalised matrix from Seurat's per-gene checksums and single entries.

Usage: python3 cut_columns.py FOLDER_OF_FULL_TABLES    (gene_checksums.csv.gz, entries.csv.gz)
Writes files of the same names beside this script, without a time stamp, so that running it again changes nothing.
"""

import csv
import gzip
import io
import pathlib
import sys

COLUMNS = {
    "gene_checksums.csv.gz": ["gene", "lognorm_sum", "lognorm_sumsq"],
    "entries.csv.gz": ["barcode", "gene", "lognorm"],
}

source = pathlib.Path(sys.argv[1])
target = pathlib.Path(__file__).parent
for name, columns in COLUMNS.items():
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    with gzip.open(source / name, "rt", newline="") as table:
        for row in csv.DictReader(table):
            writer.writerow([row[column] for column in columns])
    (target / name).write_bytes(gzip.compress(text.getvalue().encode(), 9, mtime=0))
