"""scikit-learn's estimators and pipelines, by skl2onnx."""

from __future__ import annotations

from typing import Any, Iterator, Sequence

from .._data import check_columns, listed
from ..errors import ModelError
from . import Exported, graphs, kinds, package, reference, words

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
    classifier = hasattr(model, "classes_") and hasattr(model, "predict_proba")
    options = {id(model): {"zipmap": False}} if hasattr(model, "classes_") else None
    try:
        converted = skl2onnx.convert_sklearn(
            model, "model", initial, target_opset=OPSET, options=options
        )
    except Exception as error:
        kind = type(model).__name__
        raise ModelError(f"skl2onnx cannot export the {kind}: {words(error)}") from error
    proven = None if outputs is None else list(outputs)
    if classifier and (proven is None or graphs.SCORE in proven):
        named = graphs.score_of_two(converted, model.classes_)
        proven = named if proven is None else proven
    return Exported(
        converted.SerializeToString(),
        columns=columns,
        matrix=matrix,
        outputs=proven,
        reference=reference(model, proven),
    )


def columns_of(own: list[str] | None, table: dict[str, Any] | None) -> list[str] | None:
    """The columns of the data, which are those that the model was fitted on if it says so."""
    if table is None:
        return own
    if own is not None:
        check_columns(list(table), own, ordered=True)
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
        if structural or kind.__name__ == "ColumnTransformer" or kind in known:
            continue
        if kind.__name__ == "FunctionTransformer" and getattr(step, "func", None) is None:
            continue
        raise ModelError(
            f"{_called(name, step)} has no ONNX converter",
            f"leave it out of the pipeline and apply it to the data before, or register a converter "
            "with skl2onnx.update_registered_converter",
        )


def _register(steps: list[tuple[str, Any]]) -> None:
    """Makes onnxmltools' converters known for boosted trees within a pipeline."""
    for name, step in steps:
        kind = type(step)
        library = next(iter(kinds(step) & {"xgboost", "lightgbm"}), None)
        if library is None:
            continue
        classifier = hasattr(step, "classes_")
        needed = f"exporting {_called(name, step)}"
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

