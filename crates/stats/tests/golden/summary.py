"""Golden values of means, standard deviations and Student intervals, from NumPy and SciPy.

    python -m venv v && v/bin/pip install numpy scipy && v/bin/python summary.py > summary.json
"""

import json
import sys

import numpy as np
import scipy
from scipy import stats

rng = np.random.default_rng(20240602)
CASES = {
    "two": [1.0, 2.0],
    "three losses": [1754.01, 1760.75, 1760.0],
    "five scores": [0.4972, 0.5256, 0.5918, 0.5385, 0.5326],
    "small spread on a large value": [1e9 + 0.1, 1e9 + 0.2, 1e9 + 0.4, 1e9 + 0.3],
    "tiny": [3e-300, 5e-300, 4e-300],
    "huge": [3e300, 5e300, -4e300, 1e300],
    "mixed signs": [-1.5, 0.0, 2.5, 1e-3],
    "ten": rng.normal(0.6, 0.05, 10).tolist(),
    "thirty": rng.normal(-3, 2, 30).tolist(),
    "three hundred": rng.lognormal(0, 1, 300).round(6).tolist(),
}


def summary(values):
    # In long doubles, whose range also holds squares of the huge and tiny cases.
    values = np.array(values, dtype=np.longdouble)
    mean, sd, n = values.mean(), values.std(ddof=1), values.size
    half = np.longdouble(stats.t.ppf(0.975, n - 1)) * sd / np.sqrt(np.longdouble(n))
    return {"mean": float(mean), "sd": float(sd), "low": float(mean - half), "high": float(mean + half)}


cases = [{"name": name, "values": values, "summary": summary(values)} for name, values in CASES.items()]
lines = ",\n".join(json.dumps(case) for case in cases)
sys.stdout.write(f'{{"origin":"SciPy {scipy.__version__}","cases":[\n{lines}\n]}}\n')
