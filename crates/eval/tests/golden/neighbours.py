"""Golden values of the neighbour scores from scikit-learn, and modularities of Leiden from leidenalg.

    python -m venv v && v/bin/pip install numpy scipy scikit-learn==1.9.* igraph leidenalg && v/bin/python neighbours.py > neighbours.json

No two distances of a point are so close that f32 could change their order (points are drawn until that holds), so that all
sides mean the same neighbours.
"""

import json
import sys

import igraph
import leidenalg
import numpy as np
import sklearn
from scipy.spatial.distance import cdist
from sklearn.manifold import trustworthiness
from sklearn.metrics import balanced_accuracy_score, silhouette_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

rng = np.random.default_rng(20241127)
RESOLUTIONS = [0.2, 0.6, 1.0, 1.4, 2.0]


def has_clear_order(points):
    squared = np.sort(cdist(points, points, "sqeuclidean"), axis=1)
    return (np.diff(squared, axis=1) / squared[:, 1:]).min() > 1e-6


def until_clear(draw):
    while True:
        points = np.round(draw(), 4).astype(np.float32)
        if has_clear_order(points.astype(float)):
            return points


def clear_points(n, dim, centers, spread):
    middles = rng.normal(0, 3, (centers, dim))
    return until_clear(lambda: middles[rng.integers(0, centers, n)] + rng.normal(0, spread, (n, dim)))


def modularities(points, k):
    """Of 10 runs of leidenalg at each resolution: worst and best modularity at that resolution."""
    pairs = NearestNeighbors(n_neighbors=k).fit(points).kneighbors_graph().tocoo()
    edges = {(min(a, b), max(a, b)) for a, b in zip(pairs.row.tolist(), pairs.col.tolist())}
    graph = igraph.Graph(len(points), sorted(edges))
    found = []
    for resolution in RESOLUTIONS:
        runs = [
            leidenalg.find_partition(graph, leidenalg.RBConfigurationVertexPartition, resolution_parameter=resolution, n_iterations=-1, seed=seed)
            for seed in range(10)
        ]
        qualities = [run.quality() / (2 * graph.ecount()) for run in runs]
        found.append({"resolution": resolution, "worst": min(qualities), "best": max(qualities)})
    return graph.ecount(), found


cases = []
for name, n, dim, centers, spread, k, classes in [
    ("groups", 90, 6, 5, 1.5, 15, 5),
    ("one heap", 80, 3, 1, 1.0, 15, 4),
    ("few neighbours", 70, 2, 6, 0.7, 3, 6),
    ("fewer cells than neighbours", 12, 2, 2, 1.0, 15, 3),
    ("one class", 30, 2, 2, 1.0, 5, 1),
    ("a class of one cell", 40, 4, 3, 1.0, 7, 3),
]:
    points = clear_points(n, dim, centers, spread)
    nearest_middle = np.argsort(np.argsort(points[:, 0])) * classes // n
    labels = np.where(rng.random(n) < 0.8, nearest_middle, rng.integers(0, classes, n))
    if name == "a class of one cell":
        labels[labels == 2] = 1
        labels[7] = 2
    # As the product numbers classes: the largest is 0.
    order = sorted(range(classes), key=lambda label: (-(labels == label).sum(), label))
    labels = np.array([order.index(label) for label in labels])
    k_used = min(k, n - 1)
    others = NearestNeighbors(n_neighbors=k_used).fit(points.astype(float)).kneighbors(return_distance=False)
    voted = cross_val_predict(KNeighborsClassifier(k_used), points.astype(float), labels, cv=LeaveOneOut())
    flat = until_clear(lambda: points[:, :2] * [1.0, 0.2] + rng.normal(0, 0.3, (n, 2)))
    k_trust = min(k, (n - 1) // 2)
    edges, leiden = modularities(points.astype(float), k_used)
    cases.append({
        "name": name, "dim": dim, "k": k,
        "points": [float(f"{value:.7g}") for value in points.ravel()],
        "map": [float(f"{value:.7g}") for value in flat.ravel()],
        "labels": labels.tolist(),
        "purity": float((labels[others] == labels[:, None]).mean()),
        "balanced_accuracy": float(balanced_accuracy_score(labels, voted)),
        "silhouette": float(silhouette_score(cdist(points.astype(float), points.astype(float)), labels, metric="precomputed")) if 1 < len(set(labels.tolist())) < n else None,
        "trustworthiness": float(trustworthiness(points.astype(float), flat.astype(float), n_neighbors=k_trust)),
        "edges": edges, "leiden": leiden,
    })

lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
sys.stdout.write(f'{{"origin":"scikit-learn {sklearn.__version__}, leidenalg {leidenalg.__version__}","cases":[\n{lines}\n]}}\n')
