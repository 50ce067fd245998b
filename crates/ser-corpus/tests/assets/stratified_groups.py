"""Writes how evenly scikit-learn's StratifiedGroupKFold spreads classes over folds of whole groups.

    python crates/ser-corpus/tests/assets/stratified_groups.py > crates/ser-corpus/tests/assets/stratified_groups.json

Each case has `counts[group][class]` (drawn here, uneven on purpose), a number of folds, and the deviation: the standard
deviation over the folds of the fraction of a class that a fold holds, averaged over the classes and over 20 seeds.
"""

import json

import numpy as np
import sklearn
from sklearn.model_selection import StratifiedGroupKFold

assert sklearn.__version__ == "1.9.1", sklearn.__version__
assert np.__version__ == "2.4.6", np.__version__

SEEDS = 20


def deviation(counts, folds, seed):
    groups = np.repeat(np.arange(len(counts)), counts.sum(axis=1))
    classes = np.concatenate([np.repeat(np.arange(counts.shape[1]), row) for row in counts])
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    tests = [test for _, test in splitter.split(classes, classes, groups)]
    held = np.array([np.bincount(classes[test], minlength=counts.shape[1]) for test in tests])
    return (held / counts.sum(axis=0)).std(axis=0).mean()


rng = np.random.default_rng(1)
cases = []
for groups, folds, classes in [(10, 5, 7), (24, 6, 8), (30, 4, 4), (91, 10, 6)]:
    counts = rng.poisson(rng.gamma(2.0, 4.0, size=(groups, classes)))
    mean = np.mean([deviation(counts, folds, seed) for seed in range(SEEDS)])
    cases.append({"folds": folds, "counts": counts.tolist(), "deviation": round(float(mean), 6)})
print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")
