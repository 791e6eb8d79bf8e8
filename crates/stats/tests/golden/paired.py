"""Golden values of paired tests, Friedman's test, the studentized range and bootstrap intervals, from SciPy (and, where SciPy's
own error is not far below 1e-9, from mpmath with 30 digits).

    python -m venv v && v/bin/pip install numpy scipy mpmath && v/bin/python paired.py > paired.json
"""

import json
import sys

import mpmath
import numpy as np
import scipy
from scipy import special, stats

rng = np.random.default_rng(20240602)


def grid(values, step):
    """Multiples of `step`, so that ties are exact in binary."""
    return (np.round(np.asarray(values) / step) * step).tolist()


DIFFERENCES = {
    "one": [0.25],
    "two": [0.25, -0.5],
    "five of one sign": [0.1, 0.2, 0.3, 0.4, 0.5],
    "five scores": [0.031, -0.012, 0.045, 0.008, 0.0191],
    "ties and zeros": [0.5, -0.5, 0.0, 1.0, 0.25, 0.25, -0.25, 0.0],
    "all equal": [0.25] * 7,
    "whole numbers": [3.0, -1.0, 2.0, 2.0, -2.0, 5.0, 1.0, 4.0, -3.0],
    "ten": rng.normal(0.02, 0.05, 10).tolist(),
    "fourteen with ties": grid(rng.normal(0.3, 1, 14), 0.25),
    "twenty": rng.normal(0.03, 0.06, 20).tolist(),
    "twenty with ties": grid(rng.normal(0.2, 0.5, 20), 0.125),
    "forty": rng.normal(0.01, 0.05, 40).tolist(),
    "sixty with ties": grid(rng.normal(0.1, 0.5, 60), 0.125),
}


def sign_flip(d):
    """All 2**n patterns. SciPy's permutation_test counts them for n <= 20; more by the sums of whole numbers."""
    if len(d) == 1:
        return 1.0
    result = stats.permutation_test(
        (np.array(d),), lambda x, axis: np.mean(x, axis=axis), permutation_type="samples", vectorized=True, n_resamples=np.inf
    )
    return float(min(result.pvalue, 1.0))


def wilcoxon(d):
    d = np.array(d)
    d = d[d != 0]
    out = {
        "normal": float(stats.wilcoxon(d, method="asymptotic", correction=False).pvalue),
        "normal_corrected": float(stats.wilcoxon(d, method="asymptotic", correction=True).pvalue),
    }
    has_ties = len(np.unique(np.abs(d))) < len(d)
    if not has_ties:
        out["exact"] = float(stats.wilcoxon(d, method="exact").pvalue)
    elif len(d) <= 20:
        method = stats.PermutationMethod(n_resamples=np.inf)
        out["exact"] = float(min(stats.wilcoxon(d, method=method).pvalue, 1.0))
    ranks = stats.rankdata(np.abs(d))
    out["w_plus"], out["w_minus"] = float(ranks[d > 0].sum()), float(ranks[d < 0].sum())
    return out


def effect(d):
    d, n = np.array(d, dtype=np.longdouble), len(d)
    if n < 2 or np.ptp(d) == 0:
        return {"d_z": None, "g_z": None}
    d_z, m = d.mean() / d.std(ddof=1), mpmath.mpf(n - 1)
    factor = 0 if n == 2 else mpmath.gamma(m / 2) / (mpmath.sqrt(m / 2) * mpmath.gamma((m - 1) / 2))
    return {"d_z": float(d_z), "g_z": float(d_z * float(factor))}


def split_mix(seed):
    """The generator of src/stream.rs."""
    mask = 2**64 - 1
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


class Resampled:
    def __init__(self, distribution):
        self.bootstrap_distribution = distribution


def bootstrap(values, resamples, seed):
    """SciPy's intervals of our resamples: its formulas, our drawing. On a binary grid, so that equal means are equal bits."""
    values, stream = np.array(grid(values, 2.0**-14)), split_mix(seed)
    index = [[(next(stream) * len(values)) >> 64 for _ in values] for _ in range(resamples)]
    means = values[np.array(index)].mean(axis=-1)
    out = {"values": values.tolist(), "resamples": resamples, "seed": seed}
    for method in ["percentile", "BCa"]:
        interval = stats.bootstrap(
            (values,), np.mean, n_resamples=0, method=method, bootstrap_result=Resampled(means), confidence_level=0.95
        ).confidence_interval
        out[method.lower()] = [float(interval.low), float(interval.high)]
    return out


FRIEDMAN = {
    "three by four": rng.normal(size=(4, 3)).round(3).tolist(),
    "five by ten": (rng.normal(size=(10, 5)) + np.arange(5) * 0.4).round(3).tolist(),
    "ties": rng.integers(0, 4, size=(8, 4)).astype(float).tolist(),
    "many ties": rng.integers(0, 2, size=(12, 6)).astype(float).tolist(),
}


def friedman(rows):
    rows = np.array(rows)
    n, k = rows.shape
    chi, p = stats.friedmanchisquare(*rows.T)
    f = (n - 1) * chi / (n * (k - 1) - chi)
    ranks = np.apply_along_axis(stats.rankdata, 1, -rows).mean(axis=0)
    return {"chi": float(chi), "p": float(p), "f": float(f), "f_p": float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))), "ranks": ranks.tolist()}


def range_tail(q, k):
    """1 - k * integral of phi(z) * (Phi(z) - Phi(z - q))**(k - 1)."""
    mpmath.mp.dps = 30
    q = mpmath.mpf(q)
    inside = mpmath.quad(lambda z: mpmath.npdf(z) * (mpmath.ncdf(z) - mpmath.ncdf(z - q)) ** (k - 1), mpmath.linspace(-12, 12, 25))
    return 1 - k * inside


def range_case(k):
    q = mpmath.findroot(lambda q: range_tail(q, k) - mpmath.mpf("0.05"), float(stats.studentized_range.ppf(0.95, k, np.inf)), tol=1e-20)
    at = 2.5 + 0.1 * k
    return {
        "k": k, "q95": float(q), "q95_scipy": float(stats.studentized_range.ppf(0.95, k, np.inf)),
        "at": at, "tail": float(range_tail(at, k)), "tail_scipy": float(stats.studentized_range.sf(at, k, np.inf)),
    }


differences = []
for name, d in DIFFERENCES.items():
    case = {"name": name, "values": d, "wilcoxon": wilcoxon(d), "effect": effect(d)}
    if len(d) <= 20:
        case["sign_flip"] = sign_flip(d)
    if len(d) > 4 and np.ptp(d) > 0:
        case["bootstrap"] = bootstrap(d, 2000, 42)
    differences.append(case)
out = {
    "origin": f"SciPy {scipy.__version__}, mpmath {mpmath.__version__}, NumPy {np.__version__}",
    "differences": differences,
    "friedman": [{"name": name, "rows": rows, "friedman": friedman(rows)} for name, rows in FRIEDMAN.items()],
    "studentized_range": [range_case(k) for k in [2, 3, 4, 5, 7, 10, 20, 50]],
    "normal_tail": [{"z": z, "p": float(special.ndtr(-z))} for z in [0.0, 0.5, 1.96, 4.0, 8.0]],
}
json.dump(out, sys.stdout, indent=1)
sys.stdout.write("\n")
