"""scikit-learn's scores of examples/embedding.csv.gz, for tests/it/scores.rs.

    python -m venv v && v/bin/pip install numpy scipy scikit-learn==1.9.* && v/bin/python tests/data/evaluate_reference.py

k-means is the best of 1,000 starts here: where it ends does then not depend on chance.
"""

import csv
import gzip
import pathlib

import numpy as np
from scipy.spatial.distance import cdist
from sklearn import metrics
from sklearn.cluster import KMeans
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

ROOT = pathlib.Path(__file__).resolve().parents[2]

rows = list(csv.reader(gzip.open(ROOT / "examples/embedding.csv.gz", "rt")))[1:]
points = np.array([[float(value) for value in row[1:]] for row in rows])
label_of = {row["barcode"]: row["cell_type"] for row in csv.DictReader(open(ROOT / "data/pbmc3k/labels.csv"))}
names = [label_of[row[0]] for row in rows]
by_size = sorted(set(names), key=lambda name: (-names.count(name), name))
labels = np.array([by_size.index(name) for name in names])

clusters = KMeans(len(by_size), n_init=1000, random_state=0).fit_predict(points)
others = NearestNeighbors(n_neighbors=15).fit(points).kneighbors(return_distance=False)
voted = cross_val_predict(KNeighborsClassifier(15), points, labels, cv=LeaveOneOut(), n_jobs=2)
print("kmeans nmi", metrics.normalized_mutual_info_score(labels, clusters))
print("kmeans ari", metrics.adjusted_rand_score(labels, clusters))
print("kmeans ami", metrics.adjusted_mutual_info_score(labels, clusters))
print("kmeans homogeneity", metrics.homogeneity_score(labels, clusters))
print("kmeans completeness", metrics.completeness_score(labels, clusters))
print("knn purity", (labels[others] == labels[:, None]).mean())
print("knn balanced_accuracy", metrics.balanced_accuracy_score(labels, voted))
print("silhouette", metrics.silhouette_score(cdist(points, points), labels, metric="precomputed"))
