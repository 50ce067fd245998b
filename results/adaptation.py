"""What adaptation gives from 1, 3, 10 and 30 recordings of a speaker: mixed ones, and ones of a single emotion.

    python results/adaptation.py predictions.csv

Reads the predictions of `cross_validate`. Of each tested speaker, some clips are drawn, the prior is shifted by them as
ser-inference's `PriorShift` does it, and the others are scored; five draws, mean unweighted average recall over the folds.
Needs numpy (2.x).
"""

import csv
import sys

import numpy as np

CAUTIONS = (0, 3, 10)
COUNTS = (1, 3, 10, 30)
DRAWS = 5


def read(path):
    with open(path) as file:
        rows = list(csv.DictReader(file))
    classes = [name[2:] for name in rows[0] if name.startswith("p_")]
    logs = np.log(np.maximum([[float(row["p_" + name]) for name in classes] for row in rows], 1e-6))
    truth = np.array([classes.index(row["truth"]) for row in rows])
    run = np.array([f"{row['fold']} {row['seed']}" for row in rows])
    speaker = np.array([f"{row['fold']} {row['seed']} {row['speaker']}" for row in rows])
    return logs, truth, run, speaker


def recall(truth, predicted, run):
    """The mean over the runs of the mean recall over the classes."""
    runs = [(truth[run == one], predicted[run == one]) for one in np.unique(run)]
    return np.mean([np.mean([np.mean(p[t == label] == label) for label in np.unique(t)]) for t, p in runs])


def adapted(logs, truth, speaker, count, caution, one_emotion, rng):
    """Predictions of the clips that were not adapted to; -1 for those that were."""
    predicted = np.full(len(truth), -1)
    for one in np.unique(speaker):
        own = np.flatnonzero(speaker == one)
        pool = own[truth[own] == rng.choice(np.unique(truth[own]))] if one_emotion else own
        drawn = rng.choice(pool, min(count, len(pool), len(own) - 1), replace=False)
        shift = logs[drawn].mean(0)
        shift = (shift - shift.mean()) * len(drawn) / (len(drawn) + caution)
        rest = np.setdiff1d(own, drawn)
        predicted[rest] = (logs[rest] - shift).argmax(1)
    return predicted


def main(path):
    logs, truth, run, speaker = read(path)
    print(f"not adapted: {recall(truth, logs.argmax(1), run):.3f}")
    print("| recordings | caution |", " | ".join(map(str, COUNTS)), "|")
    for one_emotion in (False, True):
        for caution in CAUTIONS:
            cells = []
            for count in COUNTS:
                rng = np.random.default_rng(0)
                draws = [adapted(logs, truth, speaker, count, caution, one_emotion, rng) for _ in range(DRAWS)]
                scores = [recall(truth[p >= 0], p[p >= 0], run[p >= 0]) for p in draws]
                cells.append(f"{np.mean(scores):.3f}")
            print(f"| {'one emotion' if one_emotion else 'mixed'} | {caution} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main(sys.argv[1])
