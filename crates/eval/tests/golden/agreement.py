"""Golden values of the agreement scores, from scikit-learn 1.9.

    python -m venv v && v/bin/pip install numpy scikit-learn==1.9.* && v/bin/python agreement.py > agreement.json
"""

import json
import sys

import numpy as np
import sklearn
from sklearn import metrics


def scores(labels, clusters):
    homogeneity, completeness, _ = metrics.homogeneity_completeness_v_measure(labels, clusters)
    return {
        "nmi_arithmetic": metrics.normalized_mutual_info_score(labels, clusters),
        "nmi_geometric": metrics.normalized_mutual_info_score(labels, clusters, average_method="geometric"),
        "ari": metrics.adjusted_rand_score(labels, clusters),
        "ami": metrics.adjusted_mutual_info_score(labels, clusters),
        "homogeneity": homogeneity,
        "completeness": completeness,
    }


rng = np.random.default_rng(20240601)


def random_case(n, classes, clusters, agree):
    labels = rng.integers(0, classes, n)
    found = np.where(rng.random(n) < agree, labels % clusters, rng.integers(0, clusters, n))
    return labels.tolist(), found.tolist()


# Cell types of PBMC3k have these sizes; clusters split the largest and merge small ones.
sizes = [684, 481, 476, 344, 291, 162, 155, 32, 13]
types = np.repeat(np.arange(9), sizes)
noisy = np.where(rng.random(types.size) < 0.2, rng.integers(0, 9, types.size), np.minimum(types, 6) + 2 * (rng.random(types.size) < 0.3))

CASES = {
    "nothing": ([], []),
    "one cell": ([3], [7]),
    "two cells together": ([0, 0], [1, 1]),
    "two cells, one side splits": ([0, 0], [0, 1]),
    "two cells apart": ([0, 1], [1, 0]),
    "one cluster against one": ([0] * 10, [4] * 10),
    "one label, three clusters": ([0] * 9, [0, 1, 2] * 3),
    "three labels, one cluster": ([0, 1, 2] * 3, [0] * 9),
    "all singletons against one cluster": (list(range(12)), [0] * 12),
    "all singletons against three clusters": (list(range(12)), [0, 1, 2] * 4),
    "all singletons against all singletons": (list(range(12)), list(range(12))[::-1]),
    "equal up to names": ([0, 0, 1, 1, 2, 2, 2], [5, 5, 0, 0, 9, 9, 9]),
    "names with gaps": ([0, 0, 700, 700, 65535], [3, 3, 3, 9, 9]),
    "discordant": ([0, 0, 1, 1], [0, 1, 0, 1]),
    "one cell out of place": ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1]),
    "independent": random_case(200, 5, 7, 0.0),
    "half right": random_case(300, 8, 8, 0.5),
    "nearly right": random_case(250, 4, 4, 0.97),
    "many clusters": random_case(300, 9, 120, 0.2),
    "many labels and clusters": random_case(260, 130, 90, 0.3),
    "nearly all singletons": random_case(150, 140, 3, 0.1),
    "sizes of PBMC3k": (types.tolist(), noisy.tolist()),
}

cases = [
    {"name": name, "labels": labels, "clusters": clusters, "scores": scores(labels, clusters)}
    for name, (labels, clusters) in CASES.items()
]
lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
sys.stdout.write(f'{{"origin":"scikit-learn {sklearn.__version__}","cases":[\n{lines}\n]}}\n')
