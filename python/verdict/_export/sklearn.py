"""scikit-learn's estimators and pipelines, by skl2onnx."""

from __future__ import annotations

import warnings
from typing import Any, Iterator, Sequence

import numpy as np

from .._data import check_columns, parsed
from ..errors import InputError, ModelError, UsageError, VerdictWarning
from . import Exported, classes_of, graphs, kinds, package, words
from .compare import Reference

INSTALL = "skl2onnx"
#: Operator sets, as the reader's own examples have them.
OPSET = {"": 17, "ai.onnx.ml": 3}


def export(model: Any, table: dict[str, Any] | None, outputs: Sequence[str] | None) -> Exported:
    """Exports a fitted estimator. A frame's columns become inputs of their own where some are
    strings or the pipeline chooses columns by name, else one matrix."""
    skl2onnx = package("skl2onnx", f"exporting scikit-learn's {type(model).__name__}", INSTALL)
    check_fitted(model)
    own = getattr(model, "feature_names_in_", None)
    columns = columns_of(None if own is None else [str(name) for name in own], table)
    steps = list(walk(model))
    _register(steps)
    _check_steps(steps)
    _check_labels(steps)
    if table is None:
        _check_numbers(steps)
    types = package("skl2onnx.common.data_types", "exporting a pipeline", INSTALL)
    strings = [name for name, values in (table or {}).items() if values.dtype == object]
    by_name = any(type(step).__name__ == "ColumnTransformer" for _, step in steps)
    matrix = columns is None or not (strings or by_name)
    if matrix:
        count = len(columns) if columns else int(getattr(model, "n_features_in_", 0))
        if not count:
            raise ModelError("the number of features is not known: give data")
        initial = [("input", types.FloatTensorType([None, count]))]
    else:
        string, number = types.StringTensorType, types.FloatTensorType
        initial = [
            (name, (string if name in strings else number)([None, 1])) for name in columns or []
        ]
    try:
        converted, raw = _converted(skl2onnx, model, initial)
    except ModelError as error:
        if not strings or "at most 1 input" not in error.message:
            raise
        values = (table or {})[strings[0]]
        row = int(np.flatnonzero(values != None)[0])  # noqa: E711 - of each element
        raise InputError(
            f"column {strings[0]!r}, row {row} is {values[row]!r}: the model takes numbers there",
            parsed(strings[0], values)
            or "encode it within the pipeline, with a OneHotEncoder for example",
        ) from None
    default = _default(converted, model, raw)
    if outputs is not None:
        graphs.check_outputs(list(outputs), graphs.names(converted), type(model).__name__)
    elif default == [graphs.LABEL]:
        warnings.warn(
            f"of the {type(model).__name__} its label is proven: it says neither probabilities nor "
            "what it decides by",
            VerdictWarning,
            stacklevel=6,
        )
    return Exported(
        converted.SerializeToString(),
        columns=columns,
        matrix=matrix,
        outputs=default if outputs is None else list(outputs),
        classes=classes_of(model),
        fitted=True,
        reference=reference(model),
    )


def _converted(skl2onnx: Any, model: Any, initial: list[Any]) -> tuple[Any, bool]:
    """The file of a model, and whether it has raw scores: a classifier without probabilities gives what
    it decides by, which not every converter is told in the same way."""
    flat: dict[int, dict[str, Any]] = {}
    tries: list[dict[int, dict[str, Any]] | None] = [None]
    if hasattr(model, "classes_"):
        flat = {id(model): {"zipmap": False}}
        tries = [flat]
        if not hasattr(model, "predict_proba"):
            last = final(model)
            raw = {**flat, id(last): {**flat.get(id(last), {}), "raw_scores": True}}
            tries = [raw, {id(last): {"raw_scores": True}}, flat, None]
    first: Exception | None = None
    for options in tries:
        try:
            converted = skl2onnx.convert_sklearn(
                model, "model", initial, target_opset=OPSET, options=options
            )
            return converted, any("raw_scores" in own for own in (options or {}).values())
        except Exception as error:
            if "Option '" not in str(error) or first is None:
                first = error
            if "Option '" not in str(error):
                break
    kind = type(model).__name__
    raise ModelError(f"skl2onnx cannot export the {kind}: {words(first or Exception())}") from first


def _default(converted: Any, model: Any, raw: bool) -> list[str]:
    """The outputs that are proven unless others are asked for: the first is the score on chain, which
    is a class only where there is nothing else."""
    classes = getattr(model, "classes_", None)
    if classes is not None and hasattr(model, "predict_proba"):
        return graphs.score_of_two(converted, len(classes))
    if classes is not None and hasattr(model, "decision_function"):
        # Raw scores of two classes are a column for each, whatever the file says.
        two = raw or _width(converted) != 1
        return graphs.decision(converted, len(classes), 1 if two else None)
    named = graphs.names(converted)
    if classes is None and len(named) > 1:
        return [name for name in named if name != graphs.LABEL]
    return named[:1]


def _width(converted: Any) -> int:
    """The numbers of a file's last output for an inference; 0 if it does not say."""
    dims = converted.graph.output[-1].type.tensor_type.shape.dim
    return int(dims[-1].dim_value) if len(dims) else 0


def final(model: Any) -> Any:
    """The estimator that has the last word: of a pipeline its last step, of a search the best."""
    while True:
        inner = getattr(model, "best_estimator_", None)
        if inner is None and hasattr(model, "steps"):
            inner = model.steps[-1][1]
        if inner is None or isinstance(inner, str):
            return model
        model = inner


def reference(model: Any) -> Reference:
    """What an estimator says, by the names that its outputs have in the file."""

    def said(rows: Any, name: str, first: bool) -> Any:
        if name in (graphs.SCORE, graphs.PROBABILITIES) and hasattr(model, "predict_proba"):
            found = np.asarray(model.predict_proba(rows))
            return found[:, 1:] if name == graphs.SCORE else found
        if name == graphs.DECISION and hasattr(model, "decision_function"):
            return model.decision_function(rows)
        if name == graphs.LABEL and hasattr(model, "predict"):
            found = np.asarray(model.predict(rows))
            return found if found.dtype.kind in "biuf" else None
        if name == "scores" and hasattr(model, "decision_function"):
            return model.decision_function(rows)
        if name == "scores" and hasattr(model, "transform"):
            return model.transform(rows)
        if first and not hasattr(model, "classes_"):
            if hasattr(model, "predict"):
                return model.predict(rows)
            found = model.transform(rows)
            return found.toarray() if hasattr(found, "toarray") else np.asarray(found)
        return None

    def of(rows: Any, names: Sequence[str]) -> dict[str, Any]:
        rows = _given(model, rows)
        each = {name: said(rows, name, at == 0) for at, name in enumerate(names)}
        return {name: value for name, value in each.items() if value is not None}

    return of


def _given(model: Any, rows: Any) -> Any:
    """Rows as an estimator takes them: a frame if it was fitted on one, or there are strings."""
    if isinstance(rows, dict):
        return np.stack(list(rows.values()), axis=1)
    named = hasattr(model, "feature_names_in_") or type(model).__module__.startswith("lightgbm")
    strings = hasattr(rows, "dtypes") and any(dtype.kind not in "biuf" for dtype in rows.dtypes)
    return rows if named or strings else np.asarray(rows, dtype=np.float64)


def columns_of(own: list[str] | None, table: dict[str, Any] | None) -> list[str] | None:
    """The columns of the data, which are those that the model was fitted on if it says so."""
    if table is None:
        return own
    if own is not None:
        check_columns(list(table), own, ordered=True, whose="the model", called="data")
    return list(table)


def walk(model: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """A model and the steps within it, each with its path of names; fitted ones where there are."""
    yield name, model
    inner: list[tuple[str, Any]] = []
    if type(model).__name__ == "ColumnTransformer":
        inner = [own[:2] for own in getattr(model, "transformers_", model.transformers)]
    elif hasattr(model, "steps"):
        inner = list(model.steps)
    elif hasattr(model, "transformer_list"):
        inner = list(model.transformer_list)
    elif hasattr(model, "named_estimators_"):
        inner = list(model.named_estimators_.items())
    for own, step in inner:
        if step is None or isinstance(step, str):
            continue
        yield from walk(step, f"{name}.{own}" if name else str(own))


def check_fitted(model: Any) -> None:
    """Every step is fitted.

    Raises:
        ModelError: names the step that is not.
    """
    validation = package("sklearn.utils.validation", "checking a model", "scikit-learn")
    exceptions = package("sklearn.exceptions", "checking a model", "scikit-learn")
    # The innermost step says most; a pipeline is fitted if its steps are.
    for name, step in reversed(list(walk(model))):
        try:
            validation.check_is_fitted(step)
        except exceptions.NotFittedError:
            raise ModelError(
                f"{_called(name, step)} is not fitted", "call fit on the model first"
            ) from None
        except TypeError:
            raise ModelError(f"{_called(name, step)} is no estimator of scikit-learn") from None


def _called(name: str, step: Any) -> str:
    kind = type(step).__name__
    return f"step {name!r} ({kind})" if name else f"the {kind}"


def _check_labels(steps: list[tuple[str, Any]]) -> None:
    """No classifier is of several labels: their probabilities are not those of classes.

    Raises:
        ModelError: names the step that is.
    """
    for name, step in steps:
        classes = getattr(step, "classes_", None)
        if classes is None:
            continue
        binarizer = getattr(step, "_label_binarizer", None)
        several = (
            isinstance(classes, list)
            or bool(getattr(step, "multilabel_", False))
            or str(getattr(binarizer, "y_type_", "")).startswith("multilabel")
            or type(step).__name__ in ("MultiOutputClassifier", "ClassifierChain")
        )
        if several:
            raise ModelError(
                f"{_called(name, step)} is of several labels, which are not exported",
                "fit a classifier for each label, and set each up",
            )


def _check_numbers(steps: list[tuple[str, Any]]) -> None:
    """Without data nothing says which columns are strings.

    Raises:
        UsageError: a step was fitted on strings.
    """
    for name, step in steps:
        for values in getattr(step, "categories_", None) or []:
            if getattr(values, "dtype", np.dtype(float)).kind in "OUS":
                raise UsageError(
                    f"{_called(name, step)} was fitted on strings: which columns they are is not "
                    "known without data",
                    "give data, a few rows with the columns that it was fitted on",
                )


def _check_steps(steps: list[tuple[str, Any]]) -> None:
    """Every step has a converter.

    Raises:
        ModelError: names the step that has none.
    """
    registry = package("skl2onnx._supported_operators", "exporting a pipeline", INSTALL)
    known = set(registry.sklearn_operator_name_map)
    for name, step in steps:
        kind = type(step)
        structural = hasattr(step, "steps") or hasattr(step, "transformer_list")
        if kind.__name__.startswith("HistGradientBoosting"):
            raise ModelError(
                f"{_called(name, step)} is not exported: its converter does not write its trees",
                "use GradientBoosting, a random forest, or LightGBM, whose trees are like these",
            )
        if kind.__name__ == "FunctionTransformer" and getattr(step, "func", None) is not None:
            raise ModelError(
                f"{_called(name, step)} calls a function of Python's, which cannot be exported",
                "leave it out of the pipeline and apply it to the data before",
            )
        if structural or kind.__name__ == "ColumnTransformer" or kind in known:
            continue
        raise ModelError(
            f"{_called(name, step)} has no ONNX converter",
            f"leave it out of the pipeline and apply it to the data before, or register a converter "
            "with skl2onnx.update_registered_converter",
        )


def _register(steps: list[tuple[str, Any]]) -> None:
    """Makes onnxmltools' converters known for boosted trees within a pipeline."""
    from . import boosting

    for name, step in steps:
        kind = type(step)
        library = next(iter(kinds(step) & {"xgboost", "lightgbm"}), None)
        if library is None:
            continue
        classifier = hasattr(step, "classes_")
        needed = f"exporting {_called(name, step)}"
        boosting.check(step, _called(name, step))
        package("onnxmltools", needed, "onnxmltools skl2onnx")
        skl2onnx = package("skl2onnx", needed)
        shapes = package("skl2onnx.common.shape_calculator", needed)
        shape = (
            shapes.calculate_linear_classifier_output_shapes
            if classifier
            else shapes.calculate_linear_regressor_output_shapes
        )
        folder = f"onnxmltools.convert.{library}.operator_converters"
        if library == "xgboost":
            convert = package(f"{folder}.XGBoost", needed).convert_xgboost
        else:
            convert = package(f"{folder}.LightGbm", needed).convert_lightgbm
        options: dict[str, list[Any]] = {
            "nocl": [True, False],
            "zipmap": [True, False, "columns"],
        }
        if library == "lightgbm":
            options["split"] = [None]
        skl2onnx.update_registered_converter(
            kind,
            f"{library}{kind.__name__}",
            shape,
            convert,
            options=options if classifier else None,
            overwrite=True,
        )

