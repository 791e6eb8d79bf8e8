"""Writes the small files of counts in this folder, each as its own program would write it.

Usage: python3 make.py DATA/PBMC3K      (the folder with the 10x files; anndata 0.12, scipy, h5py, pandas)
Afterwards, with Python 3.7 and anndata 0.6.22:  python3.7 make_old.py

Every file holds the same 24 cells × 30 genes, cut out of PBMC3k; `expected.csv` says what they are: cell, gene, count
of every entry above zero, in order. (`endless_*` and `shape_*` are lies, told at the
end.)
Files ending in .gz are gzipped HDF5: small enough to be kept, and a path of their own through the reader.
"""

import csv
import gzip
import pathlib
import sys
import warnings

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp

warnings.simplefilter("ignore")
target = pathlib.Path(__file__).parent
source = pathlib.Path(sys.argv[1])

matrix = scipy.io.mmread(gzip.open(source / "matrix.mtx.gz")).tocsc()  # genes × cells
genes = [line.rstrip("\n").split("\t") for line in gzip.open(source / "genes.tsv.gz", "rt")]
barcodes = [line.strip() for line in gzip.open(source / "barcodes.tsv.gz", "rt")]
types = {row["barcode"]: row["cell_type"] for row in csv.DictReader(open(source / "labels.csv"))}

# The 24 first cells that have a type, five mitochondrial genes, and 25 genes from frequent to rare.
cells = [cell for cell, barcode in enumerate(barcodes) if barcode in types][:24]
sums = np.asarray(matrix[:, cells].sum(axis=1)).ravel()
mito = [gene for gene, (_, name) in enumerate(genes) if name.startswith("MT-")][:5]
rest = [gene for gene in np.argsort(-sums, kind="stable") if gene not in mito][:500:20]
kept = sorted(mito + rest)
counts = matrix[kept][:, cells].T.tocsr().astype(np.float32)  # cells × genes
counts.sort_indices()
ids = [genes[gene][0] for gene in kept]
names = [genes[gene][1] for gene in kept]
cell_names = [barcodes[cell] for cell in cells]
cell_types = [types[name] for name in cell_names]

with open(target / "expected.csv", "w", newline="") as out:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["cell", "gene", "count"])
    coo = counts.tocoo()
    for row, column, value in sorted(zip(coo.row, coo.col, coo.data)):
        writer.writerow([cell_names[row], names[column], int(value)])


def obs():
    frame = pd.DataFrame({"cell_type": pd.Categorical(cell_types)}, index=cell_names)
    some = [None if kind == "B" else kind for kind in cell_types]  # code -1
    frame["some_types"] = pd.Categorical(some)
    frame["plain"] = ["x" if cell % 2 else "y" for cell in range(len(cell_names))]
    frame["batch"] = np.arange(len(cell_names)) % 3
    frame["is_even"] = frame["batch"] % 2 == 0
    frame["score"] = np.where(frame["batch"] == 0, np.nan, frame["batch"] + 0.5)
    frame["depth"] = pd.array(np.where(frame["batch"] == 2, None, frame["batch"]), dtype="Int64")
    return frame


def var():
    return pd.DataFrame({"gene_ids": ids}, index=names)


def lognorm(m):
    m = m.copy().astype(np.float32)
    sums = np.asarray(m.sum(axis=1)).ravel()
    m.data = np.log1p(m.data / np.repeat(sums, np.diff(m.indptr)) * 1e4).astype(np.float32)
    return m


def pack(name):
    """Replaces a file by its gzipped form, without a time stamp."""
    path = target / name
    (target / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    path.unlink()


def write(name, x, frame=None, **options):
    data = anndata.AnnData(x, obs=obs()[["cell_type"]] if frame is None else frame, var=var())
    data.write_h5ad(target / name, **options)
    pack(name)


anndata.settings.allow_write_nullable_strings = True
write("csr.h5ad", counts, obs())
write("csc.h5ad", counts.tocsc(), compression="gzip")
write("dense.h5ad", counts.toarray(), compression="lzf")
write("dense_int.h5ad", counts.toarray().astype(np.int32))

# X log-normalised, the counts in a layer and in raw; raw has the genes in another order.
data = anndata.AnnData(counts, obs=obs(), var=var())
data = data[:, ::-1].copy()
data.raw = data
data = data[:, ::-1].copy()
data.obs = data.obs[["cell_type"]]
data.layers["counts"] = data.X.copy()
data.layers["scaled"] = data.X.toarray() - 1.5
data.X = lognorm(data.X)
data.write_h5ad(target / "layers.h5ad", compression="gzip")
pack("layers.h5ad")

# Ensembl ids as index, names in a column, as CELLxGENE writes.
data = anndata.AnnData(counts, obs=obs(), var=pd.DataFrame({"feature_name": pd.Categorical(names)}, index=ids))
data.write_h5ad(target / "ids.h5ad")
pack("ids.h5ad")

# The encoding of anndata 0.7: categories of all columns in one group, and references to them.
text = h5py.special_dtype(vlen=str)
with h5py.File(target / "old_0_7.h5ad", "w") as file:
    x = file.create_group("X")
    x.attrs["encoding-type"], x.attrs["encoding-version"], x.attrs["shape"] = "csr_matrix", "0.1.0", counts.shape
    for part in ["data", "indices", "indptr"]:
        x[part] = getattr(counts, part)
    for group, index in [("obs", cell_names), ("var", names)]:
        table = file.create_group(group)
        table.attrs["encoding-type"], table.attrs["encoding-version"] = "dataframe", "0.1.0"
        table.attrs["_index"] = "index"
        table.attrs["column-order"] = np.array(["cell_type"] if group == "obs" else [], dtype=object).astype("S")
        table.create_dataset("index", data=np.array(index, dtype=object), dtype=text)
    kind = pd.Categorical(cell_types)
    categories = file["obs"].create_dataset("__categories/cell_type", data=np.array(kind.categories, dtype=object), dtype=text)
    codes = file["obs"].create_dataset("cell_type", data=kind.codes)
    codes.attrs["categories"] = categories.ref
pack("old_0_7.h5ad")

# 10x, as Cell Ranger 3 writes: two antibodies behind the genes.
bottom = sp.csr_matrix(np.full((len(cell_names), 2), 7))
both = sp.hstack([counts, bottom]).tocsr().astype(np.int32)  # compressed by cell: 10x's csc of genes × cells
with h5py.File(target / "tenx_v3.h5", "w") as file:
    group = file.create_group("matrix")
    features = group.create_group("features")
    fixed = lambda values: np.array([value.encode() for value in values])  # noqa: E731
    group.create_dataset("barcodes", data=fixed(cell_names), compression="gzip")
    features.create_dataset("id", data=fixed(ids + ["CD3", "CD19"]), compression="gzip")
    features.create_dataset("name", data=fixed(names + ["CD3_TotalSeqB", "CD19_TotalSeqB"]), compression="gzip")
    kinds = ["Gene Expression"] * len(names) + ["Antibody Capture"] * 2
    features.create_dataset("feature_type", data=fixed(kinds), compression="gzip")
    features.create_dataset("genome", data=fixed(["hg19"] * len(names) + ["", ""]), compression="gzip")
    group.create_dataset("data", data=both.data, compression="gzip", shuffle=True)
    group.create_dataset("indices", data=both.indices.astype(np.int64), compression="gzip", shuffle=True)
    group.create_dataset("indptr", data=both.indptr.astype(np.int64), compression="gzip")
    group.create_dataset("shape", data=np.array([both.shape[1], both.shape[0]], dtype=np.int32))
pack("tenx_v3.h5")

# 10x, as Cell Ranger 2 writes.
with h5py.File(target / "tenx_v2.h5", "w") as file:
    group = file.create_group("hg19")
    group["barcodes"], group["genes"], group["gene_names"] = fixed(cell_names), fixed(ids), fixed(names)
    group["data"], group["shape"] = counts.data.astype(np.int32), np.array(counts.shape[::-1], dtype=np.int32)
    group["indices"], group["indptr"] = counts.indices.astype(np.int64), counts.indptr.astype(np.int64)

# Tables, as pandas, R's write.csv (corner "") and R's write.table (no corner) write them.
frame = pd.DataFrame(counts.toarray().astype(int), index=cell_names, columns=names)
frame.to_csv(target / "cells_by_genes.csv.gz", index_label="barcode", compression={"method": "gzip", "mtime": 0})
quoted = frame.T.to_csv(quoting=csv.QUOTE_NONNUMERIC)
(target / "genes_by_cells.csv.gz").write_bytes(gzip.compress(quoted.encode(), 9, mtime=0))
lines = frame.T.to_csv(sep="\t", header=False).splitlines()
tsv = "\n".join(["\t".join(cell_names), *lines]) + "\n"
(target / "no_corner.tsv.gz").write_bytes(gzip.compress(tsv.encode(), 9, mtime=0))

# Lies: chunks that were never written claim 2^40 cells. The newest format keeps another index than the oldest.
for name, options in [("endless_old.h5ad", {}), ("endless_new.h5ad", {"libver": "latest"})]:
    with h5py.File(target / name, "w", **options) as file:
        for group, index in [("obs", None), ("var", ["A"])]:
            table = file.create_group(group)
            table.attrs["_index"] = "_index"
            if index:
                table.create_dataset("_index", data=np.array(index, dtype=object), dtype=text)
            else:
                table.create_dataset("_index", shape=(2**40,), maxshape=(None,), chunks=(1024,), dtype=text)
        file.create_dataset("X", shape=(2**40, 1), maxshape=(None, 1), chunks=(1024, 1), dtype="f4")
    pack(name)

# Lies: a shape that says other sizes than the names.
for name, options in [("shape_old.h5ad", {}), ("shape_new.h5ad", {"libver": "latest"})]:
    with h5py.File(target / name, "w", **options) as file:
        x = file.create_group("X")
        x.attrs["encoding-type"], x.attrs["shape"] = "csr_matrix", np.array([2, 5])
        x["data"], x["indices"], x["indptr"] = np.ones(2, "f4"), np.array([0, 1]), np.array([0, 1, 2])
        for group, index in [("obs", ["c0", "c1"]), ("var", ["A", "B"])]:
            table = file.create_group(group)
            table.attrs["_index"] = "_index"
            table.create_dataset("_index", data=np.array(index, dtype=object), dtype=text)
    pack(name)
