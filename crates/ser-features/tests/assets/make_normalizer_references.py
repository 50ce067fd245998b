"""Writes the reference arrays that tests/normalizer.rs compares with.

    python -m venv venv && venv/bin/pip install scikit-learn==1.9.1 numpy==2.4.6
    venv/bin/python make_normalizer_references.py

The input is float32 and stored, so that both sides start from the same bits. scikit-learn computes in float64.
"""

from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

PINNED = {"scikit-learn": "1.9.1", "numpy": "2.4.6"}
HERE = Path(__file__).parent


def save(name, array):
    np.save(HERE / f"normalizer.{name}.npy", np.ascontiguousarray(array, dtype=np.float32))


def main():
    for package, pinned in PINNED.items():
        assert version(package) == pinned, f"{package} is {version(package)}, not {pinned}"

    # 58 frames, so that no quartile falls on a frame.
    n = 58
    rng = np.random.default_rng(11)
    columns = [
        rng.normal(-37, 12, n),  # decibels
        rng.standard_t(1.5, n),  # outliers
        rng.integers(0, 4, n),  # many equal values
        np.where(rng.random(n) < 0.9, 0, rng.random(n)),  # does vary, but its interquartile range is 0
        np.full(n, 0.1),  # a constant that float32 does not hold exactly
        1e3 + rng.normal(0, 1, n),  # an offset much larger than the deviation
    ]
    frames = np.stack(columns, axis=1).astype(np.float32)
    save("input", frames)

    exact = frames.astype(np.float64)
    for name, scaler in {
        "standard": StandardScaler(),
        "min_max": MinMaxScaler(),
        "robust": RobustScaler(),
    }.items():
        save(name, scaler.fit_transform(exact))


if __name__ == "__main__":
    main()
