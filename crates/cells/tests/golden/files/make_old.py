"""Writes `old_0_6.h5ad.gz` with anndata 0.6.22 (Python 3.7): tables of records, sparse matrices marked h5sparse_format,
raw as raw.X and raw.var. Run behind make.py, whose expected.csv it reads.
"""

import csv
import gzip
import io
import pathlib

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp

assert anndata.__version__.startswith("0.6."), anndata.__version__
target = pathlib.Path(__file__).parent
rows = list(csv.DictReader(open(str(target / "expected.csv"))))
cells = list(dict.fromkeys(row["cell"] for row in rows))
genes = [line.split(",")[0].strip('"') for line in gzip.open(str(target / "genes_by_cells.csv.gz"), "rt")][1:]
cell_of, gene_of = {name: i for i, name in enumerate(cells)}, {name: i for i, name in enumerate(genes)}
dense = np.zeros((len(cells), len(genes)), dtype=np.float32)
for row in rows:
    dense[cell_of[row["cell"]], gene_of[row["gene"]]] = int(row["count"])

obs = pd.DataFrame({"cell_type": pd.Categorical(["T" if i % 3 else "B" for i in range(len(cells))])}, index=cells)
obs["plain"] = ["c%d" % i for i in range(len(cells))]
obs["batch"] = np.arange(len(cells)) % 3
data = anndata.AnnData(sp.csr_matrix(dense), obs=obs, var=pd.DataFrame(index=genes))
data.raw = data
data.X = data.X.multiply(0.5).tocsr()
path = target / "old_0_6.h5ad"
data.write(str(path))
packed = io.BytesIO()
with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as out:
    out.write(path.read_bytes())
(target / "old_0_6.h5ad.gz").write_bytes(packed.getvalue())
path.unlink()
