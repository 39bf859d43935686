"""What setups say: tables of ranges and costs, reports, contracts."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Mapping, Sequence, overload

Cell = Any


def _text(rows: Sequence[Sequence[Cell]]) -> str:
    """Columns as wide as their widest cell."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]

    def line(row: Sequence[str]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()

    return "\n".join(map(line, cells))


def _html(rows: Sequence[Sequence[Cell]], heading: bool = True) -> str:
    def cell(tag: str, value: Cell) -> str:
        return f"<{tag} style='text-align:left'>{html.escape(str(value))}</{tag}>"

    def line(tag: str, row: Sequence[Cell]) -> str:
        return "<tr>" + "".join(cell(tag, own) for own in row) + "</tr>"

    first = line("th" if heading else "td", rows[0])
    return "<table>" + first + "".join(line("td", row) for row in rows[1:]) + "</table>"


@dataclass(frozen=True)
class InputRange:
    """What is declared of one input.

    Attributes:
        name: the column, or the model's input and the element in it.
        min: the least value that can be proven.
        max: the greatest.
        decimals: how many it is taken exactly with; None if it is rounded as the circuit does.
        missing: whether it may be missing.
        categories: the names that it may be given by.
        other: whether names besides are taken too, as one more category.
        codes: the number that a name stands for.
    """

    name: str
    min: float
    max: float
    decimals: int | None
    missing: bool
    categories: tuple[str, ...]
    other: bool = False
    codes: Mapping[str, float] = field(default_factory=dict)


class RangeTable(Sequence[InputRange]):
    """The ranges of a setup's inputs, a row each; a proof enforces them."""

    #: Rows that are shown.
    SHOWN = 40

    def __init__(self, manifest: dict[str, Any], columns: list[str] | None, matrix: bool) -> None:
        schema, tensors = manifest["input"], manifest["model"]["inputs"]
        grids = schema.get("grids") or [None] * len(schema["ranges"])
        own: list[tuple[str, dict[str, Any] | None]] = []
        for at, tensor in enumerate(tensors):
            count = 1
            for dim in tensor["shape"]:
                count *= dim
            each = tensor.get("categories") or []
            for index in range(count):
                found = each[0] if len(each) == 1 else (each[index] if index < len(each) else None)
                if columns is not None:
                    name = columns[index] if matrix else columns[at]
                else:
                    name = tensor["name"] if count == 1 else f"{tensor['name']}[{index}]"
                own.append((name, found))
        self._rows = [
            InputRange(
                name,
                float(low),
                float(high),
                grid["decimals"] if grid and grid["exact"] else None,
                bool(grid and grid.get("missing")),
                tuple(sorted(found["names"])) if found else (),
                bool(found and found.get("other") is not None),
                dict(found["names"]) if found else {},
            )
            for (name, found), (low, high), grid in zip(own, schema["ranges"], grids)
        ]

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, key: int | str) -> InputRange: ...

    @overload
    def __getitem__(self, key: slice) -> Sequence[InputRange]: ...

    def __getitem__(self, key: int | str | slice) -> InputRange | Sequence[InputRange]:
        """A row by its index or its name."""
        if isinstance(key, str):
            found = next((row for row in self._rows if row.name == key), None)
            if found is None:
                raise KeyError(key)
            return found
        return self._rows[key]

    def _cells(self) -> list[list[Cell]]:
        rows: list[list[Cell]] = [["input", "min", "max", "decimals", "missing", "categories"]]
        for row in self._rows[: self.SHOWN]:
            places = "" if row.decimals is None else row.decimals
            missing = "yes" if row.missing else ""
            named = [*row.categories, *(["… (others)"] if row.other else [])]
            rows.append(
                [row.name, f"{row.min:g}", f"{row.max:g}", places, missing, ", ".join(named)]
            )
        if len(self._rows) > self.SHOWN:
            rows.append([f"… {len(self._rows) - self.SHOWN} more", "", "", "", "", ""])
        return rows

    def __repr__(self) -> str:
        return _text(self._cells())

    def _repr_html_(self) -> str:
        return _html(self._cells())


class Inspection:
    """What a model costs: its circuit, node by node.

    Attributes:
        data: everything, as ``verdict inspect --json`` prints it. Sizes are in bytes, costs in rows
            of the circuit and gas.
    """

    SHOWN = 60

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    @property
    def rows(self) -> int:
        """Rows of the circuit."""
        return int(self.data["estimate"]["rows"])

    @property
    def gas(self) -> int:
        """Estimated gas of verifying a proof on chain."""
        return int(self.data["verification_gas"])

    @property
    def error(self) -> float:
        """The largest error measured against the float model on points of the declared ranges, in
        units of the outputs. It is no bound: :meth:`Setup.report` says what data have, which may be
        more."""
        return float(self.data["error"]["largest"])

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """The nodes in the order in which they are proven: name, operator, form, shape, rows."""
        return list(self.data["costs"]["nodes"])

    def _summary(self) -> list[list[Cell]]:
        own, estimate, output = self.data, self.data["estimate"], self.data["output"]
        reading = own["reading"]
        checked = reading.get("checked") or reading.get("Checked")
        unit = 10.0 ** output["decimals"]
        return [
            ["model", f"{own['model']}, {own['parameters']:,} parameters"],
            [
                "reading",
                f"agrees with tract's on {checked['samples']} samples"
                if checked
                else "NOT checked from outside",
            ],
            ["public inputs", ", ".join(own["public_inputs"]) or "none"],
            [
                "outputs",
                f"{output['count']}, {output['decimals']} decimals, from {output['min'] / unit:g} to "
                f"{output['max'] / unit:g}",
            ],
            ["output error", f"{self.error:.1e} was the largest against the float model"],
            [
                "circuit",
                f"2^{own['k']} = {estimate['rows']:,} rows, {estimate['columns']} columns "
                f"({own['shape']})",
            ],
            ["proof", f"{estimate['proof_bytes']:,} bytes"],
            ["memory", f"about {estimate['memory_bytes'] / 1e6:,.0f} MB"],
            ["verification", f"about {self.gas:,} gas"],
            ["dominated by", own["dominated_by"]],
        ]

    def _nodes(self) -> list[list[Cell]]:
        rows: list[list[Cell]] = [["node", "operator", "proven as", "shape", "rows"]]
        for node in self.nodes[: self.SHOWN]:
            shape = "×".join(map(str, node["shape"]))
            rows.append(
                [node["name"][:44], node["operator"][:44], node["form"][:44], shape, f"{node['rows']:,}"]
            )
        if len(self.nodes) > self.SHOWN:
            rows.append([f"… {len(self.nodes) - self.SHOWN} more", "", "", "", ""])
        return rows

    def __repr__(self) -> str:
        return _text(self._summary()) + "\n\n" + _text(self._nodes())

    def _repr_html_(self) -> str:
        return _html(self._summary(), heading=False) + _html(self._nodes())


class Report:
    """What a setup does to data: errors, decisions, costs, on one page. It tells about the model and
    the data what a proof hides.

    Attributes:
        data: everything, as ``verdict report --json`` prints it.
        html: the page, which needs no network.
    """

    def __init__(self, data: dict[str, Any], page: str) -> None:
        self.data = data
        self.html = page

    @property
    def largest_error(self) -> float:
        """The largest difference of an output from the float model's."""
        return float(self.data["accuracy"]["largest"])

    @property
    def changed_decisions(self) -> int:
        """Samples about which the proven outputs decide otherwise than the float model's."""
        return sum(int(own["changed_count"]) for own in self.data["decisions"])

    def save(self, path: str | PathLike[str]) -> Path:
        """Writes the page, readable by its owner alone."""
        import os

        path = Path(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(self.html)
        return path

    def __repr__(self) -> str:
        accuracy = self.data["accuracy"]
        return (
            f"Report({accuracy['samples']} samples, largest error {self.largest_error:.1e}, "
            f"{self.changed_decisions} decisions changed)"
        )

    def _repr_html_(self) -> str:
        page = html.escape(self.html, quote=True)
        return (
            f'<iframe srcdoc="{page}" sandbox="allow-scripts" '
            'style="width:100%;height:720px;border:1px solid #ddd"></iframe>'
        )


@dataclass(frozen=True)
class Solidity:
    """A setup's contracts.

    Attributes:
        name: the verifier contract's name.
        source: its Solidity source.
        creation: its creation code.
        runtime: its runtime code.
        key: the key contract's payload.
    """

    name: str
    source: str
    creation: bytes
    runtime: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"Solidity({self.name}, {len(self.runtime):,} bytes of runtime code)"


@dataclass(frozen=True)
class SRS:
    """A structured reference string that was imported.

    Attributes:
        path: its file, as `srs` of :func:`verdict.setup` takes it.
        k: it has 2^k powers.
        origin: "ceremony", the perpetual powers of tau, or what else it is of.
        insecure: whether whoever made it can forge proofs.
        fingerprint: of its secret's public part, the same for every k, in hexadecimal.
    """

    path: Path
    k: int
    origin: str
    insecure: bool
    fingerprint: str


@dataclass(frozen=True)
class Checked:
    """A setup whose keys were made again from the model's file, and are equal.

    Attributes:
        equal: true; a setup that differs is an error.
        setup_id: the setup.
        model_hash: SHA-256 of the file; salted with the private part if weights are hidden.
        key_hash: of the key contract's code.
        insecure_srs: whether whoever made the SRS can forge proofs.
    """

    equal: bool
    setup_id: str
    model_hash: str
    key_hash: str
    insecure_srs: bool


@dataclass(frozen=True)
class Deployment:
    """Where a setup's contracts are. Addresses and hashes are hexadecimal."""

    chain_id: int
    oracle: str
    registry: str
    verifier: str
    key: str
    model_id: int
    verification_hash: str
    setup_id: str
    attestations: dict[str, Any] | None = None

    def _repr_html_(self) -> str:
        return _html([[name, value] for name, value in vars(self).items()], heading=False)


@dataclass(frozen=True)
class Record:
    """What the oracle recorded about a subject.

    Attributes:
        subject: its address.
        score: the model's first output.
        nonce: of the request.
        updated_at: Unix time.
        signers: the data providers who vouched for the inputs.
    """

    subject: str
    score: float
    nonce: int
    updated_at: int
    signers: tuple[str, ...]


@dataclass(frozen=True)
class Submission:
    """What a transaction recorded.

    Attributes:
        records: one, or those of a batch.
        transaction: its hash; None if somebody else's recorded them.
        block: its block's number.
        gas: what it took.
        model_id: the model's id in the registry.
    """

    records: tuple[Record, ...]
    transaction: str | None
    block: int | None
    gas: int | None
    model_id: int

    @property
    def score(self) -> float:
        """The first record's score."""
        return self.records[0].score
