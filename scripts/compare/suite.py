"""The models that are compared, from small to large.

Each is described here and built by models.py under target/compare/models: NAME.onnx and
NAME.json with the declared input ranges, calibration samples, test inputs and
onnxruntime's outputs for them.
"""

from dataclasses import dataclass, field

from common import MODELS, ROOT, Failure, read_json


@dataclass(frozen=True)
class Model:
    """`build` names a function of models.py, `options` are its arguments."""

    name: str
    title: str
    build: str
    options: dict = field(default_factory=dict)
    # Seconds for one step, if not the run's limit.
    time_limit: float | None = None
    # Samples that EZKL's calibration sees.
    calibration: int = 20

    @property
    def onnx(self):
        return MODELS / f"{self.name}.onnx"

    @property
    def data(self):
        return MODELS / f"{self.name}.json"

    def read(self):
        """Ranges, samples, reference outputs."""
        data = read_json(self.data)
        if data is None:
            raise Failure(f"{self.data} is missing: run the step `models` first")
        return data


def dense(name, title, sizes, **options):
    limits = {key: options.pop(key) for key in ("time_limit", "calibration") if key in options}
    return Model(name, title, "dense", {"sizes": sizes, **options}, **limits)


def trees(name, title, kind, form, count, depth, **limits):
    return Model(f"{name}-{form}", f"{title}, {'matrices' if form == 'matrix' else 'native'}",
                 "ensemble", {"kind": kind, "form": form, "count": count, "depth": depth},
                 **limits)


CREDIT = ROOT / "examples" / "credit"

SUITE = (
    Model("credit-logistic", "German Credit, logistic", "credit", {"file": "logistic.onnx"}),
    dense("logistic", "logistic regression, 20 features", [20, 1], sigmoid=True),
    Model("credit-mlp", "German Credit, MLP 20-64-32-1", "credit", {"file": "model.onnx"}),
    dense("mlp-20", "MLP 20-64-32-1", [20, 64, 32, 1], sigmoid=True),
    Model("mlp-20-int8", "MLP 20-64-32-1, int8", "int8", {"sizes": [20, 64, 32, 1]}),
    trees("forest-20x5", "random forest 20×5", "forest", "native", 20, 5),
    trees("forest-20x5", "random forest 20×5", "forest", "matrix", 20, 5),
    trees("gbdt-50x4", "boosted trees 50×4", "gbdt", "native", 50, 4),
    trees("gbdt-50x4", "boosted trees 50×4", "gbdt", "matrix", 50, 4),
    trees("gbdt-100x6", "boosted trees 100×6", "gbdt", "native", 100, 6),
    dense("mlp-784", "MLP 784-128-10", [784, 128, 10]),
    trees("gbdt-100x6", "boosted trees 100×6", "gbdt", "matrix", 100, 6, time_limit=300,
          calibration=3),
    Model("lenet", "LeNet-5, 28×28", "lenet", time_limit=300, calibration=3),
    dense("mlp-1m", "MLP 512-1024-512-10", [512, 1024, 512, 10], time_limit=300,
          calibration=3),
    Model("transformer", "transformer block, d = 64, 4 heads, 16 tokens", "transformer",
          time_limit=300, calibration=2),
    Model("cnn", "CNN, 3×32×32", "cnn", time_limit=300, calibration=2),
    dense("mlp-4m", "MLP 784-1536-1536-256-10", [784, 1536, 1536, 256, 10], time_limit=300,
          calibration=2),
)


def select(names):
    """The models of these names, in the suite's order; all without names."""
    known = {model.name: model for model in SUITE}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise Failure(f"no model {', '.join(unknown)}: choose from {', '.join(known)}")
    return [model for model in SUITE if not names or model.name in names]
