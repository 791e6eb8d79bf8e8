"""Golden values of k-means and t-SNE, from scikit-learn 1.9.

    python -m venv v && v/bin/pip install numpy scipy scikit-learn==1.9.* && v/bin/python clusters_and_maps.py > clusters_and_maps.json

Inertia is the best of 100 starts. Divergences are computed here over all pairs with one degree of freedom, from
scikit-learn's affinities and maps; its own figure is a tree approximation (and has two degrees of freedom in 3-D).
"""

import json
import sys

import numpy as np
import sklearn
from scipy.spatial.distance import pdist
from sklearn.cluster import KMeans
from sklearn.manifold import TSNE
from sklearn.manifold._t_sne import _joint_probabilities_nn
from sklearn.neighbors import NearestNeighbors

rng = np.random.default_rng(20240603)


def blobs(n, dim, centers, spread):
    middles = rng.normal(0, 4, (centers, dim))
    return np.round(middles[rng.integers(0, centers, n)] + rng.normal(0, spread, (n, dim)), 3).astype(np.float32)


def inertia(points, k):
    return float(KMeans(k, n_init=100, random_state=0).fit(points.astype(float)).inertia_)


def divergence(points, perplexity, positions):
    neighbours = min(len(points) - 1, int(3.0 * perplexity + 1))
    distances = NearestNeighbors(n_neighbors=neighbours).fit(points).kneighbors_graph(mode="distance")
    distances.data **= 2
    joint = _joint_probabilities_nn(distances, perplexity, 0).tocoo()
    positions = positions.astype(float)
    normaliser = 2 * (1 / (1 + pdist(positions, "sqeuclidean"))).sum()
    squared = ((positions[joint.row] - positions[joint.col]) ** 2).sum(1)
    some = joint.data > 0
    return float((joint.data * np.log(np.where(some, joint.data, 1) * (1 + squared) * normaliser))[some].sum())


clusterings = []
for n, dim, centers, spread, k in [(300, 2, 9, 1.0, 9), (300, 2, 1, 1.0, 9), (240, 6, 5, 2.0, 7), (60, 1, 3, 0.5, 3)]:
    points = blobs(n, dim, centers, spread)
    clusterings.append({"dim": dim, "k": k, "inertia": inertia(points, k), "points": points.ravel().tolist()})

maps = []
for n, dim, centers, perplexity in [(160, 5, 4, 12.0), (150, 3, 2, 20.0)]:
    points = blobs(n, dim, centers, 1.0)
    case = {"dim": dim, "perplexity": perplexity, "points": points.ravel().tolist()}
    for components in (2, 3):
        found = TSNE(components, perplexity=perplexity, init="pca", random_state=0).fit_transform(points)
        found = np.round(found.astype(float), 4).astype(np.float32)
        case[f"map_{components}d"] = found.ravel().tolist()
        case[f"divergence_{components}d"] = divergence(points, perplexity, found)
        # Where descent ends depends on where it starts: the spread of its ends is what another implementation may meet.
        others = [TSNE(components, perplexity=perplexity, init="random", random_state=seed).fit_transform(points) for seed in range(8)]
        case[f"divergences_{components}d"] = [divergence(points, perplexity, other) for other in others]
    maps.append(case)


def short(values):
    return [float(f"{value:.7g}") for value in values]


for case in clusterings + maps:
    for name in ("points", "map_2d", "map_3d"):
        if name in case:
            case[name] = short(case[name])

lines = [",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) for cases in (clusterings, maps)]
sys.stdout.write(f'{{"origin":"scikit-learn {sklearn.__version__}","clusterings":[\n{lines[0]}\n],"maps":[\n{lines[1]}\n]}}\n')
