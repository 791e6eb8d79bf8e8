"""Writes counts.json: ln Γ, ψ and the negative binomial's log-probability by SciPy, and by mpmath with 60 digits.

SciPy's own nbinom.logpmf takes p = θ/(θ+μ), so it loses digits where μ/θ is tiny and where ln Γ(x+θ) − ln Γ(θ) cancels;
its value is written only where it agrees with mpmath within 5e-7, else null.

usage: python counts.py > counts.json        (pip install scipy mpmath; made with SciPy 1.17, mpmath 1.3)
"""
import json
import mpmath as mp
import numpy as np
from scipy import special, stats

mp.mp.dps = 60


def by_mpmath(x, mu, theta):
    x, mu, theta = mp.mpf(x), mp.mpf(mu), mp.mpf(theta)
    coefficient = mp.loggamma(x + theta) - mp.loggamma(theta) - mp.loggamma(x + 1)
    return coefficient + theta * mp.log(theta / (theta + mu)) + x * mp.log(mu / (theta + mu))


def slopes(x, mu, theta):
    """d/d ln μ and d/d ln θ of −log NB."""
    x, mu, theta = mp.mpf(x), mp.mpf(mu), mp.mpf(theta)
    by_mean = theta * (mu - x) / (theta + mu)
    by_dispersion = theta * (mp.log(1 + mu / theta) - (mu - x) / (theta + mu) - mp.digamma(x + theta) + mp.digamma(theta))
    return float(by_mean), float(by_dispersion)


def gamma_rows():
    at = sorted({*np.logspace(-8, 8, 49).tolist(), 0.5, 1.0, 1.4616321449683622, 1.5, 2.0, 2.5, 9.999, 10.0, 10.001, 1e15})
    return [[a, float(special.gammaln(a)), float(special.digamma(a))] for a in at]


def rise_rows():
    rows = []
    for a in (1e-6, 0.3, 1.0, 7.7, 50.0, 1e4, 1e8, 1e12):
        for x in (0.5, 1.0, 2.0, 31.0, 32.0, 33.0, 40.25, 1000.0, 123456.0):
            rise = mp.loggamma(mp.mpf(a) + x) - mp.loggamma(a)
            rows.append([a, x, float(rise), float(mp.digamma(mp.mpf(a) + x) - mp.digamma(a))])
    return rows


def nb_rows():
    rows = []
    for mu in (1e-8, 1e-3, 0.1, 1.0, 7.5, 300.0, 1e5):
        for theta in (1e-6, 1e-2, 0.5, 2.0, 40.0, 1e4, 1e8):
            for x in (0.0, 1.0, 2.0, 5.0, 31.0, 32.0, 33.0, 100.0, 1000.0, 20000.0, 2.5):
                exact = float(by_mpmath(x, mu, theta))
                scipy = float(stats.nbinom.logpmf(x, theta, theta / (theta + mu)))
                agrees = abs(scipy - exact) <= 5e-7
                rows.append([x, mu, theta, exact, scipy if agrees else None, *slopes(x, mu, theta)])
    return rows


if __name__ == "__main__":
    rows = nb_rows()
    print(json.dumps(dict(gamma=gamma_rows(), rise=rise_rows(), nb=rows), separators=(",", ":")))
