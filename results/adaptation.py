"""What adaptation gives from 1, 3, 10 and 30 recordings of a speaker: mixed ones, and ones of a single emotion.

    python results/adaptation.py predictions.csv [...]

Reads the predictions of `cross_validate`. Half of each tested speaker's clips of each emotion are there to adapt to, the others are
scored, before and after: the same clips in every column that the speaker has clips enough for. The prior is shifted as ser-inference's `PriorShift` does it. Five draws;
recall is the mean over the classes, then over the folds. Of one emotion, the recall of that emotion and of the others are told apart.
Needs numpy (2.x).
"""

import csv
import sys

import numpy as np

CAUTIONS = (0, 10)
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


def draw(data, count, caution, one_emotion, number):
    """What one draw scores: truth, run, before, after, whether of the emotion that was adapted to."""
    logs, truth, run, speaker = data
    scored, after, own_emotion = [], [], []
    for index, one in enumerate(np.unique(speaker)):
        rng = np.random.default_rng([number, index])
        own = np.flatnonzero(speaker == one)
        halves = [np.split(clips, [len(clips) // 2]) for label in np.unique(truth[own])
                  for clips in [rng.permutation(own[truth[own] == label])]]
        pool, rest = (np.concatenate(half) for half in zip(*halves))
        pool = rng.permutation(pool)
        if one_emotion and len(pool) > 0:
            pool = pool[truth[pool] == truth[pool[0]]]
        if len(pool) < count:
            continue
        drawn = pool[:count]
        shift = logs[drawn].mean(0)
        shift = (shift - shift.mean()) * count / (count + caution)
        scored.append(rest)
        after.append((logs[rest] - shift).argmax(1))
        own_emotion.append(truth[rest] == truth[drawn[0]])
    if not scored:
        return None
    scored = np.concatenate(scored)
    return truth[scored], run[scored], logs[scored].argmax(1), np.concatenate(after), np.concatenate(own_emotion)


def main(path):
    data = read(path)
    print(path)
    print("| recordings | caution | of the scored clips |", " | ".join(map(str, COUNTS)), "|")
    for caution in CAUTIONS:
        for one_emotion in (False, True):
            cells = {name: [] for name in (("all", "that emotion", "the others") if one_emotion else ("all",))}
            for count in COUNTS:
                draws = [draw(data, count, caution, one_emotion, number) for number in range(DRAWS)]
                draws = [one for one in draws if one]
                for name, column in cells.items():
                    if not draws:
                        column.append("–")
                        continue
                    def score(which):
                        values = []
                        for truth, run, before, after, own in draws:
                            part = {"all": own | True, "that emotion": own, "the others": ~own}[name]
                            values.append(recall(truth[part], (before, after)[which][part], run[part]))
                        return np.mean(values)
                    column.append(f"{score(0):.3f} → {score(1):.3f}")
            for name, column in cells.items():
                print(f"| {'one emotion' if one_emotion else 'mixed'} | {caution} | {name} |", " | ".join(column), "|")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        main(argument)
