"""Cuts the golden tables from the full output of seurat_reference.R: the first ten of its principal components, else all columns.

Usage: python3 cut_columns.py FOLDER_OF_FULL_TABLES    (gene_checksums, entries, hvg_vst, pca; each .csv.gz)
Writes files of the same names beside this script, without a time stamp, so that running it again changes nothing.
"""

import csv
import gzip
import io
import pathlib
import sys

COLUMNS = {
    "gene_checksums.csv.gz": ["gene", "lognorm_sum", "lognorm_sumsq", "scaled_min", "scaled_max", "scaled_sumsq"],
    "entries.csv.gz": ["barcode", "gene", "lognorm", "scaled"],
    "hvg_vst.csv.gz": ["mean", "variance", "variance.standardized", "gene", "rank"],
    "pca.csv.gz": ["barcode"] + [f"PC_{number}" for number in range(1, 11)],
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
