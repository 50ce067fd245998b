"""Writes references.json: metrics of scikit-learn for chosen and random predictions.

Run in this folder with Python 3.11:
    pip install scikit-learn==1.9.1 numpy==2.4.6
    python make_references.py
"""

import json
import re
import warnings

import numpy as np
import sklearn
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    classification_report,
    confusion_matrix,
    precision_recall_fscore_support,
)

assert sklearn.__version__ == "1.9.1", sklearn.__version__
warnings.filterwarnings("ignore")  # zero division, which some cases are about

SEVEN = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]

CASES = {
    # name: (class names, truth, predictions)
    "asymmetric": (["angry", "neutral", "sad"], [0, 0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 1, 2, 1, 2, 2, 2, 0]),
    "binary": (["no", "yes"], [0, 0, 0, 1, 1], [0, 0, 1, 1, 0]),
    "all right": (["a", "b", "c"], [0, 1, 2, 1], [0, 1, 2, 1]),
    "all wrong": (["a", "b", "c"], [0, 1, 2, 1], [1, 2, 0, 0]),
    "class absent from the truth": (["fear", "happy", "sad"], [0, 0, 2, 2, 2], [0, 1, 2, 2, 1]),
    "class never predicted": (["fear", "happy", "sad"], [0, 1, 1, 2, 2, 2], [0, 0, 2, 2, 2, 0]),
    "class in neither": (["fear", "happy", "sad"], [0, 0, 2, 2, 2], [0, 2, 2, 2, 0]),
    "one class": (["neutral"], [0, 0, 0], [0, 0, 0]),
    "one class in truth and another predicted": (["fear", "sad"], [0, 0], [1, 1]),
    "single sample right": (["fear", "sad"], [1], [1]),
    "single sample wrong": (["fear", "sad"], [1], [0]),
    "halves that round to even": (["p", "q"], [0] * 8 + [1] * 8, [0] * 1 + [1] * 7 + [1] * 5 + [0] * 3),
    "long names": (["pleasantly surprised", "sad"], [0, 0, 1], [0, 1, 1]),
    "names as wide as the averages": (["twelve chars", "sad"], [0, 0, 1], [0, 1, 1]),
    "names that are not ASCII": (["Überraschung, freudig", "Ärger", "悲しみ"], [0, 0, 1, 2], [0, 1, 1, 2]),
}

rng = np.random.default_rng(20240607)
for size, skill in [(30, 0.2), (500, 0.6), (1000, 0.9)]:
    truth = rng.choice(7, size, p=[0.3, 0.2, 0.15, 0.12, 0.1, 0.08, 0.05])
    guess = rng.choice(7, size, p=[0.05, 0.1, 0.1, 0.15, 0.2, 0.1, 0.3])
    predictions = np.where(rng.random(size) < skill, truth, guess)
    CASES[f"random {size}"] = (SEVEN, truth.tolist(), predictions.tolist())


def average(truth, predictions, labels, kind):
    values = precision_recall_fscore_support(truth, predictions, labels=labels, average=kind)
    return [float(value) for value in values[:3]]


def reference(name, names, truth, predictions):
    labels = list(range(len(names)))
    precision, recall, f1, support = precision_recall_fscore_support(truth, predictions, labels=labels)

    def report(digits):
        text = classification_report(truth, predictions, labels=labels, target_names=names, digits=digits)
        # Where no prediction is right, this version prints the supports as 4.0 in place of 4.
        return re.sub(r"(\d+)\.0$", r"  \1", text, flags=re.MULTILINE)

    matrix = confusion_matrix(truth, predictions, labels=labels)
    return {
        "name": name,
        "class_names": names,
        "truth": truth,
        "predictions": predictions,
        "confusion_matrix": matrix.tolist(),
        "accuracy": float(accuracy_score(truth, predictions)),
        "uar": float(balanced_accuracy_score(truth, predictions)),
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "support": support.tolist(),
        "macro_avg": average(truth, predictions, labels, "macro"),
        "weighted_avg": average(truth, predictions, labels, "weighted"),
        "report": report(2),
        "report_4": report(4),
    }


with open("references.json", "w", encoding="utf-8") as file:
    # One case a line.
    lines = [json.dumps(reference(name, *case), ensure_ascii=False) for name, case in CASES.items()]
    file.write("[\n" + ",\n".join(lines) + "\n]\n")
