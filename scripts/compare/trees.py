"""Tree ensembles in two forms of ONNX: the native operator, and matrices.

The matrices are the known "GEMM strategy" (Nakandala et al., "A Tensor Compiler for
Unified Machine Learning Prediction Serving", OSDI 2020; what hummingbird does to small
trees), written here as ONNX directly, so that no framework is needed:

    decisions = x·A < B          one column per inner node, 1 where the row goes left
    paths     = decisions·C      +1 for each left turn on the way to a leaf that was
                                 taken, -1 for each right turn that was not
    leaf      = max(0, paths - D + 1)
                                 D is the number of left turns to the leaf, which paths
                                 reaches for exactly one leaf of each tree
    y         = sum(leaf·E) / c  leaf values; c is the number of trees, or 1 / learning rate

The usual last comparison is paths == D. The maximum says the same of whole numbers and is
what EZKL gets right: with Equal its outputs are wrong by 0.7. The common divisor c comes
last because EZKL's fixed point would otherwise round each leaf's small share.

Features are whole 32nds in [0, 1] and thresholds lie half way between: like most
features of tabular data they have a grid, and no comparison is decided by rounding.
"""

import numpy as np
from onnx import TensorProto, helper
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

from onnx_models import info, model

FEATURES = 20
GRID = 32
ML_OPSET = 3


def rows(rng, count):
    return rng.integers(0, GRID + 1, (count, FEATURES)) / GRID


def train(rng, kind, count, depth):
    """(trees, values of each tree's nodes, their factor, constant, whether a sigmoid follows)."""
    x = rows(rng, 4000)
    score = (2 * x[:, 0] - x[:, 1] + 3 * x[:, 2] * x[:, 3] - 2 * (x[:, 4] > 0.5) * x[:, 5]
             + np.abs(x[:, 6] - 0.5) + 0.3 * rng.standard_normal(len(x)))
    label = (score > np.median(score)).astype(int)
    if kind == "forest":
        fitted = RandomForestClassifier(count, max_depth=depth, random_state=0).fit(x, label)
        trees = [estimator.tree_ for estimator in fitted.estimators_]
        values = [t.value[:, 0, 1] / t.value[:, 0].sum(axis=1) for t in trees]
        return trees, values, 1 / count, 0.0, False
    fitted = GradientBoostingClassifier(n_estimators=count, max_depth=depth,
                                        random_state=0).fit(x, label)
    trees = [estimator.tree_ for estimator in fitted.estimators_[:, 0]]
    prior = np.log(label.mean() / (1 - label.mean()))
    return trees, [t.value[:, 0, 0] for t in trees], fitted.learning_rate, prior, True


def thresholds(tree):
    """Between two grid points, so that single precision decides as double does."""
    return (np.floor(tree.threshold * GRID) + 0.5) / GRID


def matrices(trees, values):
    """A, B, C, D, E for all trees, padded to the largest."""
    inner = [np.flatnonzero(t.children_left >= 0) for t in trees]
    leaves = [np.flatnonzero(t.children_left < 0) for t in trees]
    nodes, ends = max(map(len, inner)), max(map(len, leaves))
    a, b = np.zeros((FEATURES, len(trees) * nodes)), np.full(len(trees) * nodes, -1.0)
    c = np.zeros((len(trees), nodes, ends))
    # A leaf that does not exist is never reached.
    d = np.full((len(trees), 1, ends), nodes + 1.0)
    e = np.zeros((len(trees), ends, 1))
    for i, tree in enumerate(trees):
        column = {node: j for j, node in enumerate(inner[i])}
        for node, j in column.items():
            a[tree.feature[node], i * nodes + j] = 1
            b[i * nodes + j] = thresholds(tree)[node]
        for leaf, turns in paths(tree).items():
            k = int(np.searchsorted(leaves[i], leaf))
            for node, left in turns:
                c[i, column[node], k] = 1 if left else -1
            d[i, 0, k] = sum(left for _, left in turns)
            e[i, k, 0] = values[i][leaf]
    return a, b, c, d, e


def paths(tree):
    """For each leaf, the inner nodes on the way to it and whether it lies to their left."""
    found, waiting = {}, [(0, [])]
    while waiting:
        node, turns = waiting.pop()
        if tree.children_left[node] < 0:
            found[node] = turns
        else:
            waiting.append((tree.children_left[node], [*turns, (node, True)]))
            waiting.append((tree.children_right[node], [*turns, (node, False)]))
    return found


def as_matrices(g, trees, values, factor, constant, sigmoid):
    a, b, c, d, e = matrices(trees, values)
    count, nodes, _ = c.shape
    decisions = g.add("Less", g.add("MatMul", "x", g.constant(a)), g.constant(b))
    decisions = g.add("Reshape", g.add("Cast", decisions, to=TensorProto.FLOAT),
                      g.constant([count, 1, nodes], np.int64))
    paths = g.add("MatMul", decisions, g.constant(c))
    leaf = g.add("Relu", g.add("Sub", paths, g.constant(d - 1)))
    each = g.add("MatMul", leaf, g.constant(e))
    value = g.add("ReduceSum", each, g.constant([0], np.int64), keepdims=0)
    value = g.add("Div", value, g.constant([round(1 / factor)]))
    if constant:
        value = g.add("Add", value, g.constant([constant]))
    if sigmoid:
        g.add("Sigmoid", value)
    return g.finish([1, FEATURES], [1, 1])[0]


def as_native(trees, values, factor, constant, sigmoid):
    """One TreeEnsembleRegressor (ai.onnx.ml), with a Sigmoid after it if asked for."""
    columns = {name: [] for name in ("treeids", "nodeids", "featureids", "values", "modes",
                                     "truenodeids", "falsenodeids")}
    targets = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    for i, tree in enumerate(trees):
        for node in range(tree.node_count):
            leaf = tree.children_left[node] < 0
            row = (i, node, 0 if leaf else tree.feature[node],
                   0.0 if leaf else thresholds(tree)[node], "LEAF" if leaf else "BRANCH_LEQ",
                   max(tree.children_left[node], 0), max(tree.children_right[node], 0))
            for column, value in zip(columns.values(), row):
                column.append(value if isinstance(value, str) else value.item()
                              if hasattr(value, "item") else value)
            if leaf:
                for column, value in zip(targets.values(), (i, node, 0,
                                                           float(values[i][node] * factor))):
                    column.append(value)
    attributes = {f"nodes_{name}": column for name, column in columns.items()}
    attributes |= {f"target_{name}": column for name, column in targets.items()}
    if constant:
        attributes["base_values"] = [float(constant)]
    nodes = [helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], name="trees",
                              domain="ai.onnx.ml", n_targets=1, aggregate_function="SUM",
                              post_transform="NONE", **attributes)]
    if sigmoid:
        nodes[0].output[0] = "score"
        nodes.append(helper.make_node("Sigmoid", ["score"], ["y"], name="sigmoid"))
    return model(nodes, [info("x", [1, FEATURES])], [info("y", [1, 1])], [],
                 domains=[("ai.onnx.ml", ML_OPSET)])


def ensemble(g, tests, samples, kind, form, count, depth):
    rng = np.random.default_rng(5)
    trained = train(rng, kind, count, depth)
    built = as_matrices(g, *trained) if form == "matrix" else as_native(*trained)
    leaves = sum(len(paths(tree)) for tree in trained[0])
    # A threshold for each inner node, a value for each leaf.
    return built, {"parameters": 2 * leaves - len(trained[0]), "ranges": [[0, 1]] * FEATURES,
                   "rows": rows(rng, max(samples, tests))}
