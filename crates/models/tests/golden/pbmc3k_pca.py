"""Prints the squared error per cell of the best rank-k approximation of PBMC3k (log-normalised, centred by gene).

usage: python pbmc3k_pca.py data/pbmc3k        (pip install numpy)
"""
import gzip, pathlib, sys
import numpy as np

folder = pathlib.Path(sys.argv[1])
names = np.array([line.split("\t")[1].strip() for line in gzip.open(folder / "genes.tsv.gz", "rt")])
with gzip.open(folder / "matrix.mtx.gz", "rt") as f:
    header = f.readline()
    while header.startswith("%"):
        header = f.readline()
    n_genes, n_cells, _ = map(int, header.split())
    entries = np.array([line.split() for line in f], dtype=np.int64)
x = np.zeros((n_cells, n_genes))
x[entries[:, 1] - 1, entries[:, 0] - 1] = entries[:, 2]
keep = (x > 0).sum(0) >= 3
x, names = x[:, keep], names[keep]
seen, total = (x > 0).sum(1), x.sum(1)
mito = 100 * x[:, np.char.startswith(names, "MT-")].sum(1) / total
x = x[(seen > 200) & (seen < 2500) & (mito < 5)]
x = np.log1p(x / x.sum(1, keepdims=True) * 1e4).astype(np.float32).astype(np.float64)
x -= x.mean(0)
eigenvalues = np.linalg.eigvalsh(x @ x.T)[::-1]
for k in (2, 6, 10, 30):
    print(k, round(eigenvalues[k:].sum() / len(x), 4))
