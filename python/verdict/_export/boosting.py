"""XGBoost and LightGBM, by onnxmltools."""

from __future__ import annotations

import copy
from typing import Any, Sequence

from ..errors import ModelError
from . import Exported, graphs, kinds, package, reference, words
from .sklearn import check_fitted, columns_of

INSTALL = "onnxmltools skl2onnx"
#: The newest that onnxmltools writes.
OPSET = 15


def export(model: Any, table: dict[str, Any] | None, outputs: Sequence[str] | None) -> Exported:
    """Exports an estimator of XGBoost or LightGBM, or a Booster of theirs."""
    name = type(model).__name__
    library = "XGBoost" if "xgboost" in kinds(model) else "LightGBM"
    package("onnxmltools", f"exporting {library}'s {name}", INSTALL)
    booster_only = name == "Booster"
    if not booster_only:
        check_fitted(model)
    own = _feature_names(model, library)
    if library == "LightGBM" and own and table and own == [_written(name) for name in table]:
        own = list(table)
    columns = columns_of(own, table)
    count = len(own) if own else _features(model, library)
    types = package("onnxmltools.convert.common.data_types", "exporting trees", INSTALL)
    initial = [("input", types.FloatTensorType([None, count]))]
    convert = package("onnxmltools.convert", "exporting trees", INSTALL)
    codes: dict[str, list[str]] = {}
    try:
        if library == "XGBoost":
            converted = convert.convert_xgboost(
                _unnamed(model), initial_types=initial, target_opset=OPSET
            )
        else:
            codes = _categories(model, table)
            converted = convert.convert_lightgbm(
                model, initial_types=initial, target_opset=OPSET, zipmap=False
            )
    except Exception as error:
        raise ModelError(f"onnxmltools cannot export the {name}: {words(error)}") from error
    proven = None if outputs is None else list(outputs)
    classes = getattr(model, "classes_", None)
    if proven is None and classes is not None:
        proven = graphs.score_of_two(converted, classes)
    elif proven and graphs.SCORE in proven and classes is not None:
        graphs.score_of_two(converted, classes)
    return Exported(
        converted.SerializeToString(),
        columns=columns,
        outputs=proven,
        codes=codes,
        reference=None if booster_only else reference(model, proven),
    )


def _feature_names(model: Any, library: str) -> list[str] | None:
    """The columns that a model was fitted on, if it was fitted on a frame."""
    if library == "XGBoost":
        booster = model if type(model).__name__ == "Booster" else model.get_booster()
        return list(booster.feature_names) if booster.feature_names else None
    booster = model if type(model).__name__ == "Booster" else model.booster_
    names = list(booster.feature_name())
    made_up = [f"Column_{index}" for index in range(len(names))]
    if names == made_up:
        return None
    return names


def _written(name: str) -> str:
    """A column's name as LightGBM writes it."""
    return name.replace(" ", "_")


def _features(model: Any, library: str) -> int:
    if library == "XGBoost":
        booster = model if type(model).__name__ == "Booster" else model.get_booster()
        return int(booster.num_features())
    booster = model if type(model).__name__ == "Booster" else model.booster_
    return int(booster.num_feature())


def _unnamed(model: Any) -> Any:
    """A copy whose features are numbered, which is what the converter takes."""
    model = copy.deepcopy(model)
    booster = model if type(model).__name__ == "Booster" else model.get_booster()
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


def _categories(model: Any, table: dict[str, Any] | None) -> dict[str, list[str]]:
    """The categories of LightGBM's categorical columns, in the order of their codes."""
    booster = model if type(model).__name__ == "Booster" else model.booster_
    each = booster.pandas_categorical or []
    if not each:
        return {}
    strings = [name for name, values in (table or {}).items() if values.dtype == object]
    if len(strings) != len(each):
        raise ModelError(
            f"the model was fitted with {len(each)} categorical columns, and the data have "
            f"{len(strings)}",
            "give data with the columns that it was fitted on",
        )
    return {name: [str(own) for own in values] for name, values in zip(strings, each)}
