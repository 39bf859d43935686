"""XGBoost and LightGBM, by onnxmltools."""

from __future__ import annotations

import copy
import json
import warnings
from typing import Any, Sequence

import numpy as np

from .._data import Array
from ..errors import ModelError, VerdictWarning
from . import Exported, classes_of, graphs, kinds, package, words
from .compare import Reference
from .sklearn import check_fitted, columns_of, reference

INSTALL = "onnxmltools skl2onnx"
#: The newest that onnxmltools writes.
OPSET = 15
#: What the converter writes as XGBoost computes it. Others have a transform that it leaves out.
XGBOOST_OBJECTIVES = {
    "binary:hinge",
    "binary:logistic",
    "count:poisson",
    "multi:softmax",
    "multi:softprob",
    "reg:absoluteerror",
    "reg:gamma",
    "reg:linear",
    "reg:pseudohubererror",
    "reg:quantileerror",
    "reg:squarederror",
    "reg:squaredlogerror",
    "reg:tweedie",
}
#: The same of LightGBM.
LIGHTGBM_OBJECTIVES = {
    "binary",
    "gamma",
    "huber",
    "lambdarank",
    "multiclass",
    "poisson",
    "quantile",
    "rank_xendcg",
    "regression",
    "regression_l1",
    "tweedie",
}


def export(model: Any, table: dict[str, Any] | None, outputs: Sequence[str] | None) -> Exported:
    """Exports an estimator of XGBoost or LightGBM, or a Booster of theirs."""
    name = type(model).__name__
    library = "XGBoost" if "xgboost" in kinds(model) else "LightGBM"
    package("onnxmltools", f"exporting {library}'s {name}", INSTALL)
    booster_only = name == "Booster"
    if not booster_only:
        check_fitted(model)
    objective = check(model, f"the {name}")
    if booster_only and library == "XGBoost":
        _warn_of_early_stopping(model)
    own = _feature_names(model, library)
    if library == "LightGBM" and own and table and own == [_written(name) for name in table]:
        own = list(table)
    columns = columns_of(own, table)
    count = len(own) if own else _features(model, library)
    types = package("onnxmltools.convert.common.data_types", "exporting trees", INSTALL)
    initial = [("input", types.FloatTensorType([None, count]))]
    convert = package("onnxmltools.convert", "exporting trees", INSTALL)
    codes = _categories(model, table) if library == "LightGBM" else {}
    unnamed = _unnamed(model) if library == "XGBoost" else model
    try:
        if library == "XGBoost":
            converted = convert.convert_xgboost(unnamed, initial_types=initial, target_opset=OPSET)
        else:
            converted = convert.convert_lightgbm(
                model, initial_types=initial, target_opset=OPSET, zipmap=False
            )
    except Exception as error:
        raise ModelError(f"onnxmltools cannot export the {name}: {words(error)}") from error
    classes = _classes(model, library, objective)
    default = graphs.score_of_two(converted, classes) if classes else None
    proven = default if outputs is None else list(outputs)
    if outputs is not None:
        graphs.check_outputs(list(outputs), graphs.names(converted), name)
    return Exported(
        converted.SerializeToString(),
        columns=columns,
        outputs=proven,
        classes=classes_of(model) or (list(range(classes)) if classes else None),
        codes=codes,
        fitted=True,
        reference=_coded(
            _of_booster(model, library, classes) if booster_only else reference(model), codes
        ),
    )


def check(model: Any, called: str) -> str:
    """The converter writes what such a model computes.

    Returns:
        Its objective, without parameters.

    Raises:
        ModelError: it leaves something out.
    """
    if "xgboost" in kinds(model):
        return _check_xgboost(_booster(model), called)
    return _check_lightgbm(_booster(model), called)


def _refuse(called: str, what: str, hint: str) -> ModelError:
    return ModelError(f"{called} {what}, which its ONNX converter does not write as it computes", hint)


def _check_xgboost(booster: Any, called: str) -> str:
    learner = json.loads(booster.save_config())["learner"]
    kind = learner["gradient_booster"]["name"]
    if kind != "gbtree":
        raise _refuse(called, f"is of the booster {kind!r}", "train it with booster='gbtree'")
    objective = str(learner["objective"]["name"])
    if objective not in XGBOOST_OBJECTIVES:
        raise _refuse(
            called,
            f"has the objective {objective!r}",
            "train it with 'binary:logistic' of two classes, 'multi:softprob' of more, or "
            "'reg:squarederror'",
        )
    if int(learner["learner_model_param"].get("num_target", 1)) > 1:
        raise _refuse(
            called, "has several targets or labels", "train a model for each, and set each up"
        )
    return objective


def _warn_of_early_stopping(booster: Any) -> None:
    """A Booster of XGBoost says what all its trees say, unlike an estimator or LightGBM's."""
    best = booster.attr("best_iteration")
    rounds = booster.num_boosted_rounds()
    if best is not None and int(best) + 1 < rounds:
        warnings.warn(
            f"the Booster's best iteration is {best} of {rounds}, and what booster.predict says is "
            f"proven: all trees. Give booster[: {int(best) + 1}] for the best ones",
            VerdictWarning,
            stacklevel=6,
        )


def _check_lightgbm(booster: Any, called: str) -> str:
    dumped = booster.dump_model()
    objective, *parameters = str(dumped.get("objective", "custom")).split()
    if objective not in LIGHTGBM_OBJECTIVES or "sqrt" in parameters:
        raise _refuse(
            called,
            f"has the objective {' '.join([objective, *parameters])!r}",
            "train it with the objective 'binary', 'multiclass' or 'regression'",
        )
    sigmoid = next((own[8:] for own in parameters if own.startswith("sigmoid:")), "1")
    if float(sigmoid) != 1.0:
        raise _refuse(called, f"has sigmoid={sigmoid}", "train it with sigmoid=1")
    if dumped.get("average_output"):
        raise _refuse(
            called,
            "is a random forest (boosting 'rf')",
            "train it with boosting 'gbdt' or 'dart', or use scikit-learn's random forests",
        )
    for tree in dumped["tree_info"]:
        nodes = [tree["tree_structure"]]
        while nodes:
            node = nodes.pop()
            if "leaf_const" in node:
                raise _refuse(called, "has linear trees", "train it without linear_tree")
            if node.get("missing_type") == "Zero":
                raise _refuse(
                    called, "takes zeros as missing", "train it without zero_as_missing"
                )
            nodes += [node[side] for side in ("left_child", "right_child") if side in node]
    return objective


def _classes(model: Any, library: str, objective: str) -> int:
    """How many classes there are; 0 of a regression or a ranking."""
    own = getattr(model, "classes_", None)
    if own is not None:
        return len(own)
    if type(model).__name__ != "Booster":
        return 0
    if objective.startswith("binary"):
        return 2
    if objective == "multi:softmax":
        raise _refuse(
            "the Booster",
            "says a class (objective 'multi:softmax')",
            "train it with 'multi:softprob', which says probabilities",
        )
    if objective.startswith("multi"):
        if library == "LightGBM":
            return int(model.dump_model(num_iteration=1)["num_class"])
        learner = json.loads(model.save_config())["learner"]
        return int(learner["learner_model_param"]["num_class"])
    return 0


def _of_booster(booster: Any, library: str, classes: int) -> Reference:
    """What a Booster says: probabilities, or numbers."""

    def said(rows: Any) -> Array:
        if library == "LightGBM":
            given = rows if booster.pandas_categorical else numbers(rows)
            return np.asarray(booster.predict(given, validate_features=False))
        xgboost = package("xgboost", "asking a Booster")
        names, types = booster.feature_names, booster.feature_types
        matrix = xgboost.DMatrix(numbers(rows), feature_names=names, feature_types=types)
        return np.asarray(booster.predict(matrix))

    def of(rows: Any, names: Sequence[str]) -> dict[str, Any]:
        found = said(rows)
        if not classes:
            return {names[0]: found}
        each = np.stack([1 - found, found], axis=1) if classes == 2 else found
        known = {
            graphs.SCORE: each[:, 1:],
            graphs.LABEL: each.argmax(axis=1),
            graphs.PROBABILITIES: each,
        }
        return {name: known[name] for name in names if name in known}

    return of


def _coded(own: Reference, codes: dict[str, list[Any]]) -> Reference:
    """The same, of rows whose categories are those that the model was fitted with."""
    if not codes:
        return own

    def of(rows: Any, names: Sequence[str]) -> dict[str, Any] | list[Any]:
        pandas = package("pandas", "asking a model with categorical columns")
        each = {
            name: pandas.Categorical(rows[name].astype(object), categories=values)
            for name, values in codes.items()
        }
        return own(rows.assign(**each), names)

    return of


def numbers(rows: Any) -> Array:
    """Rows of numbers alone, shape [rows, columns]."""
    if isinstance(rows, dict):
        return np.stack(list(rows.values()), axis=1).astype(np.float64)
    return np.asarray(rows, dtype=np.float64)


def _booster(model: Any) -> Any:
    if type(model).__name__ == "Booster":
        return model
    return model.get_booster() if "xgboost" in kinds(model) else model.booster_


def _feature_names(model: Any, library: str) -> list[str] | None:
    """The columns that a model was fitted on, if it was fitted on a frame."""
    booster = _booster(model)
    if library == "XGBoost":
        return list(booster.feature_names) if booster.feature_names else None
    names = list(booster.feature_name())
    made_up = [f"Column_{index}" for index in range(len(names))]
    if names == made_up:
        return None
    return names


def _written(name: str) -> str:
    """A column's name as LightGBM writes it."""
    return name.replace(" ", "_")


def _features(model: Any, library: str) -> int:
    booster = _booster(model)
    return int(booster.num_features() if library == "XGBoost" else booster.num_feature())


def _unnamed(model: Any) -> Any:
    """A copy whose features are numbered, which is what the converter takes."""
    model = copy.deepcopy(model)
    booster = _booster(model)
    if booster.feature_types and "c" in booster.feature_types:
        names = booster.feature_names or [f"f{i}" for i in range(booster.num_features())]
        at = booster.feature_types.index("c")
        raise ModelError(
            f"column {names[at]!r} is categorical for XGBoost, which its ONNX converter does not "
            "export",
            "encode it within a scikit-learn pipeline, with a OneHotEncoder for example",
        )
    booster.feature_names = None
    booster.feature_types = None
    return model


def _categories(model: Any, table: dict[str, Any] | None) -> dict[str, list[Any]]:
    """The categories of LightGBM's categorical columns, in the order of their codes."""
    each = _booster(model).pandas_categorical or []
    if not each:
        return {}
    for values in each:
        if not all(isinstance(own, str) for own in values):
            shown = ", ".join(repr(own) for own in values[:4])
            raise ModelError(
                f"the model was fitted with a categorical column of numbers ({shown}, …), for which "
                "LightGBM learned their positions",
                "make its values strings before the model is fitted, .astype(str).astype('category'), "
                "or plain numbers with categorical_feature=",
            )
    strings = [name for name, values in (table or {}).items() if values.dtype == object]
    if len(strings) != len(each):
        raise ModelError(
            f"the model was fitted with {len(each)} categorical columns, and the data have "
            f"{len(strings)} of strings",
            "give data with the columns that it was fitted on",
        )
    return dict(zip(strings, each))
