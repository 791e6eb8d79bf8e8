"""One whole trial as a user of PyTorch and scikit-learn would run it: 200 epochs, t-SNE 2-D and 3-D, k-means, scores.

usage: whole_trial.py {ae,vae,vsc} SEED EPOCHS
"""
import csv, pathlib, sys, time
import numpy as np, torch
from sklearn.cluster import KMeans
from sklearn.manifold import TSNE
from sklearn import metrics

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tests" / "data"))
import pytorch_reference


def main(kind, seed, epochs):
    loaded = pytorch_reference.log_normalised()  # untimed: the other side has its data set loaded, too
    pytorch_reference.log_normalised = lambda: loaded
    start = time.perf_counter()
    net, x = pytorch_reference.main(kind, seed, epochs, "report", 2)
    with torch.no_grad():
        codes = net.encode(x)[0].numpy()
    rows = list(csv.DictReader(open(HERE.parent.parent / "data" / "pbmc3k" / "labels.csv")))
    labels = [row["cell_type"] for row in rows]
    plane = TSNE(n_components=2, perplexity=40, init="pca", random_state=0, n_jobs=2).fit_transform(codes)
    TSNE(n_components=3, perplexity=40, init="pca", random_state=0, n_jobs=2).fit_transform(codes)
    for points in (codes, plane):
        clusters = KMeans(9, n_init=100, random_state=0).fit_predict(points)
        for score in (metrics.normalized_mutual_info_score, metrics.adjusted_rand_score,
                      metrics.adjusted_mutual_info_score, metrics.homogeneity_score, metrics.completeness_score):
            score(labels, clusters)
    print(f"whole trial {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
