"""t-SNE by scikit-learn and openTSNE on codes given as CSV: seconds, KL divergence and map.

usage: tsne.py {sklearn,opentsne} CODES.csv DIMS OUT.csv
"""
import sys, time
import numpy as np


def main(which, codes_path, dims, out):
    codes = np.loadtxt(codes_path, delimiter=",", dtype=np.float32, ndmin=2)
    start = time.perf_counter()
    if which == "sklearn":
        from sklearn.manifold import TSNE
        tsne = TSNE(n_components=dims, perplexity=40, init="pca", max_iter=1000, random_state=0, n_jobs=2)
        embedding, kl = tsne.fit_transform(codes), tsne.kl_divergence_
    else:
        from openTSNE import TSNE
        fitted = TSNE(n_components=dims, perplexity=40, initialization="pca", n_iter=750, early_exaggeration_iter=250,
                      random_state=0, n_jobs=2, negative_gradient_method="fft" if dims == 2 else "bh").fit(codes)
        embedding, kl = np.asarray(fitted), fitted.kl_divergence
    seconds = time.perf_counter() - start
    np.savetxt(out, embedding, delimiter=",")
    print(f"{seconds:.3f} s, {kl:.6f} nat")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
