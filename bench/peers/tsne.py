"""t-SNE by scikit-learn and openTSNE on codes given as CSV, on all cores: seconds, own KL divergence, and the map.

usage: tsne.py {scikit-learn,openTSNE} CODES.csv DIMS OUT.csv STEPS
"""
import os, sys, time
import numpy as np

CORES = len(os.sched_getaffinity(0))


def main(which, codes_path, dims, out, steps):
    codes = np.loadtxt(codes_path, delimiter=",", dtype=np.float32, ndmin=2)
    if which == "scikit-learn":
        from sklearn.manifold import TSNE
        start = time.perf_counter()
        tsne = TSNE(n_components=dims, perplexity=40, init="pca", max_iter=steps, random_state=0, n_jobs=CORES)
        embedding, kl = tsne.fit_transform(codes), tsne.kl_divergence_
    else:
        from openTSNE import TSNE
        start = time.perf_counter()
        exaggerated = min(250, steps // 2)
        # openTSNE interpolates in 1-D and 2-D only; in 3-D it has Barnes-Hut.
        fitted = TSNE(n_components=dims, perplexity=40, initialization="pca", early_exaggeration_iter=exaggerated,
                      n_iter=steps - exaggerated, random_state=0, n_jobs=CORES,
                      negative_gradient_method="fft" if dims == 2 else "bh").fit(codes)
        embedding, kl = np.asarray(fitted), fitted.kl_divergence
    seconds = time.perf_counter() - start
    np.savetxt(out, embedding, delimiter=",")
    print(f"{seconds:.3f} s, {kl:.6f} nat")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
