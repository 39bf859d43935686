"""Tests of what is computed: calldata, SRS files, tuning, tables and plots.

    python3 -m unittest discover scripts/compare/tests
"""

import json
import math
import os
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import chain  # noqa: E402
import common  # noqa: E402
import figures  # noqa: E402
import plots  # noqa: E402
import report  # noqa: E402
import run  # noqa: E402
import srs  # noqa: E402
import tool_ezkl  # noqa: E402
import tool_verdict  # noqa: E402
import tune  # noqa: E402


class Calldata(unittest.TestCase):
    def test_arguments_are_encoded_as_the_abi_says(self):
        data = chain.encode("1e8e1e13", b"\x01\x02", [7, 8])
        words = [data[4 + i:36 + i].hex().lstrip("0") for i in range(0, len(data) - 4, 32)]
        self.assertEqual(data[:4].hex(), "1e8e1e13")
        self.assertEqual(words, ["40", "80", "2", "102" + "0" * 60, "2", "7", "8"])

    def test_bytes_of_whole_words_are_not_padded(self):
        self.assertEqual(len(chain.encode("00000000", bytes(64))), 4 + 32 + 32 + 64)

    def test_single_words_stand_in_the_head(self):
        data = chain.encode("00000000", 5, [])
        self.assertEqual([data[4 + i + 31] for i in (0, 32, 64)], [5, 0x40, 0])

    def test_ezkl_words_are_little_endian(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "proof.json"
            path.write_text(json.dumps({"instances": [["4c05" + "0" * 60]], "proof": [1, 255]}))
            self.assertEqual(tool_ezkl.read_proof(path), (b"\x01\xff", [0x54C]))

    def test_json_is_found_among_warnings(self):
        self.assertEqual(tool_verdict.read_last_json('warning: x\n{"a": 1}\nmore'), {"a": 1})
        with self.assertRaisesRegex(common.Failure, "no JSON"):
            tool_verdict.read_last_json("nothing")


class References(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_an_srs_keeps_points_and_changes_the_frame(self):
        k, points, tau = 2, os.urandom(2 * 64 * 4), os.urandom(128)
        source, target = self.folder / "a", self.folder / "b"
        source.write_bytes(srs.HEAD.pack(b"vrdctsrs", 1, k, 1) + tau + bytes(32 * 4) + points)
        srs.convert(source, target)
        content = target.read_bytes()
        self.assertEqual(content[:4], b"\x02\0\0\0")
        self.assertEqual(content[4:-256], points)
        self.assertEqual(content[-128:], tau)

    def test_a_cut_srs_is_refused(self):
        source = self.folder / "a"
        source.write_bytes(srs.HEAD.pack(b"vrdctsrs", 1, 2, 1) + bytes(300))
        with self.assertRaisesRegex(common.Failure, "another size"):
            srs.convert(source, self.folder / "b")

    def test_another_file_is_no_srs(self):
        source = self.folder / "a"
        source.write_bytes(b"x" * 500)
        with self.assertRaisesRegex(common.Failure, "no SRS"):
            srs.convert(source, self.folder / "b")

    def test_a_coordinate_of_one_is_two_to_the_256_modulo_p(self):
        self.assertEqual(int.from_bytes(srs.montgomery(1), "little"), 2**256 % srs.MODULUS)


def probe(scale=7, rows=100, base=16384, lookups=1, low=-512, high=511, outputs=0.0):
    return {"settings": {"input_scale": scale, "param_scale": scale, "logrows": 15,
                         "num_inner_cols": 2, "lookup_range": [low, high],
                         "decomp_base": base, "disable_freivalds": False},
            "rows": rows, "dynamic": 0, "constants": 0, "lookups": lookups,
            "range_checks": [[-1, 1], [0, base - 1]], "outputs": [[outputs]]}


class Tuning(unittest.TestCase):
    def test_rows_hold_circuit_range_check_and_table(self):
        self.assertEqual(tune.rows_for(probe(rows=5000, base=128)), 13)
        self.assertEqual(tune.rows_for(probe(base=16384)), 15)
        self.assertEqual(tune.rows_for(probe(base=128, low=-40000, high=40000)), 15)
        self.assertEqual(tune.rows_for(probe(base=128, low=-40000, high=40000, lookups=0)), 8)

    def test_an_output_that_is_no_number_is_infinitely_wrong(self):
        self.assertEqual(tune.largest_error([[math.nan]], [[0.0]]), math.inf)
        self.assertEqual(tune.largest_error([[1.0]], [[1.0, 2.0]]), math.inf)
        self.assertAlmostEqual(tune.largest_error([[1.0], [2.0]], [[1.1], [1.9]]), 0.1)

    def test_scales_are_left_out_only_far_from_the_bound(self):
        self.assertEqual([tune.stride(e) for e in (0.011, 0.03, 0.16, 1.0, math.inf)],
                         [1, 1, 3, 5, 1])

    def tuned(self, attempt, **options):
        return tune.Tuner(attempt, [[0.0]], **options).run()

    def test_the_smallest_scale_within_the_bound_and_the_shortest_proof_win(self):
        def attempt(kind, settings, calibrate):
            scale = settings["input_scale"]
            found = probe(scale, base=settings.get("decomp_base", 16384),
                          outputs=0.02 if scale < 6 else 0.001)
            found["settings"] |= settings
            if kind == "trial":
                found["parts"] = {"prove": abs(settings["logrows"] - 9) + 1}
            return found, None

        entry = self.tuned(attempt)
        self.assertEqual(entry["settings"]["input_scale"], 6)
        self.assertEqual(entry["settings"]["logrows"], 9)
        self.assertTrue(entry["proved"])

    def test_no_scale_exact_enough_is_said_with_the_smallest_error(self):
        entry = self.tuned(lambda kind, settings, calibrate: (probe(outputs=0.25), None))
        self.assertIsNone(entry["settings"])
        self.assertIn("the smallest seen is 0.25", entry["message"])

    def test_a_model_that_ezkl_refuses_keeps_its_message(self):
        entry = self.tuned(lambda kind, settings, calibrate: (None, "unsupported operator"))
        self.assertEqual(entry["message"], "unsupported operator")
        self.assertEqual(len(entry["tried"]), 2)

    def test_a_large_circuit_is_not_tried(self):
        kinds = []

        def attempt(kind, settings, calibrate):
            kinds.append(kind)
            return probe(rows=1 << 20), None

        entry = self.tuned(attempt)
        self.assertEqual(kinds, ["probe"])
        self.assertEqual((entry["settings"]["logrows"], entry["proved"]), (21, False))

    def test_tuned_settings_are_not_run_where_fewer_rows_already_went_over_a_limit(self):
        calibrated = {"settings": step(sample={"settings": {"logrows": 21}}),
                      "setup": {"status": "limit", "message": "stopped above 20 GiB"}}
        entry = {"ezkl-calibrated": {"steps": calibrated}}
        tool = type("Tool", (), {"settings": {"logrows": 21}})
        self.assertIn("needs 2^21 rows", run.hopeless(entry, tool))
        tool.settings = {"logrows": 20}
        self.assertIsNone(run.hopeless(entry, tool))
        self.assertIsNone(run.hopeless({}, tool))

    def test_nothing_is_tried_after_the_time_is_over(self):
        clock = iter(range(0, 10_000, 100))
        entry = self.tuned(lambda *_: (probe(outputs=1.0), None), budget=150,
                           clock=lambda: next(clock))
        self.assertLess(len(entry["tried"]), 3)


def step(**values):
    return {"status": "ok", "samples": [values.pop("sample", {})], "peak_bytes": 1, **values}


def models():
    verdict = {"steps": {"setup": step(wall=0.1, pk_bytes=10),
                         "prove": step(wall=0.5, sample={"outputs": [0.5]}),
                         "chain": {"status": "ok", "verify_gas": 300_000, "runtime_bytes": 5000,
                                   "deploy": {"deploy the shape's verifier": 1_000_000}}}}
    ezkl = {"steps": {"witness": step(wall=2, library=1.0), "prove": step(wall=5, library=4.0),
                      "errors": step(sample={"outputs": [[0.25], [1.0]]}),
                      "chain": {"status": "ok", "verify_gas": 600_000, "over_limit": True}}}
    dead = {"steps": {"settings": {"status": "failed", "message": "a | b <c>"}}}
    return {"title": "logistic", "parameters": 21, "reference": [[0.5], [1.0]],
            "verdict": verdict, "ezkl-calibrated": ezkl, "ezkl-tuned": dead}


class Figures(unittest.TestCase):
    def test_ezkl_counts_its_library_and_its_witness(self):
        model = models()
        self.assertEqual(figures.proving(model["ezkl-calibrated"]), 5.0)
        self.assertEqual(figures.proving(model["verdict"]), 0.5)

    def test_ratios_need_both_sides(self):
        rows = {"logistic": {tool: figures.row(models(), tool) for tool in figures.TOOLS}}
        self.assertEqual(figures.ratios(rows, "ezkl-calibrated", "prove_seconds"),
                         {"logistic": 10.0})
        self.assertEqual(figures.ratios(rows, "ezkl-tuned", "prove_seconds"), {})
        self.assertEqual(figures.ratios(rows, None, "prove_seconds"), {"logistic": 10.0})

    def test_what_was_measured_in_turn_stands_before_runs_apart(self):
        model = models()
        model["verdict"]["of"], model["ezkl-calibrated"]["of"] = ["1"], ["2"]
        model["turns"] = {"of": {"verdict": ["1"], "ezkl-calibrated": ["2"]},
                          "seconds": {"verdict": [0.1, 0.3, 0.1], "ezkl-calibrated": [4.0, 6.0]}}

        def found():
            rows = {"logistic": {tool: figures.row(model, tool) for tool in figures.TOOLS}}
            times = [rows["logistic"][tool]["prove_seconds"] for tool in figures.TOOLS]
            return times, figures.ratios(rows, None, "prove_seconds")

        self.assertEqual(found(), ([0.1, 5.0, None], {"logistic": 25.0}))
        model["verdict"]["of"] = ["another build"]
        self.assertEqual(found(), ([0.5, 5.0, None], {"logistic": 10.0}))

    def test_the_mean_of_ratios_is_geometric(self):
        self.assertAlmostEqual(figures.geometric_mean([2, 8]), 4)
        self.assertIsNone(figures.geometric_mean([]))

    def test_errors_come_from_the_witness_or_from_the_proofs(self):
        self.assertEqual(figures.errors(models(), models()["ezkl-calibrated"]), (0.25, 0.125, 2))
        self.assertEqual(figures.errors(models(), models()["verdict"]), (0.0, 0.0, 1))

    def test_states_are_words_for_a_reader(self):
        self.assertEqual(figures.state(None), "not measured")
        self.assertEqual(figures.state(models()["verdict"]), "done")
        self.assertEqual(figures.state(models()["ezkl-tuned"]), "failed in settings")
        refused = {"steps": {"setup": {"status": "refused", "message": "x"}}}
        self.assertEqual(figures.state(refused), "not yet")

    def test_figures_are_written_with_their_units(self):
        self.assertEqual(report.duration(0.0123), "12.3 ms")
        self.assertEqual(report.duration(0.5), "0.50 s")
        self.assertEqual(report.duration(113.4), "113 s")
        self.assertEqual(report.size(163_653_739), "164 MB")
        self.assertEqual(report.times(1.234), "1.2×")
        self.assertEqual(report.duration(None), "–")

    def test_a_page_has_every_part_and_keeps_its_tables_whole(self):
        results = {"machine": {"cpu": "X", "cores": 2, "memory": 2**34, "system": "S",
                               "kernel": "6"},
                   "limits": {"seconds": 600, "memory": 2**34}, "versions": {"EZKL": "1"}}
        rows = {"logistic": {tool: figures.row(models(), tool) for tool in figures.TOOLS}}
        page = report.page(results, rows, {"logistic": models()}, {"logistic": "logistic"})
        self.assertNotIn("{{", page)
        self.assertIn("a \\| b &lt;c>", page)
        self.assertIn("10×", page)

    def test_a_plot_is_well_formed_with_a_bar_for_each_figure(self):
        drawn = plots.chart("Gas & more", ["a", "b"], {"m<1>": [10, (None, "dies")]}, str)
        root = ElementTree.fromstring(drawn)
        bars = [r for r in root.iter("{http://www.w3.org/2000/svg}rect") if r.get("x") == str(plots.LEFT)]
        self.assertEqual(len(bars), 1)
        self.assertIn("dies", [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")])

    def test_a_plot_without_figures_is_none(self):
        self.assertIsNone(plots.chart("t", ["a"], {"m": [None]}, str))


if __name__ == "__main__":
    unittest.main()
