"""Tests of what runs and measures: files, limits, the command line. Nothing of EZKL's.

    python3 -m unittest discover scripts/compare/tests
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE))

import common  # noqa: E402
import measure  # noqa: E402
import run  # noqa: E402
import suite  # noqa: E402
import tool_ezkl  # noqa: E402
import turns  # noqa: E402


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_json_is_written_in_one_piece_and_leaves_no_other_file(self):
        path = self.folder / "deep" / "a.json"
        common.write_json(path, {"a": 1})
        common.write_json(path, {"a": 2})
        self.assertEqual(common.read_json(path), {"a": 2})
        self.assertEqual([p.name for p in path.parent.iterdir()], ["a.json"])

    def test_json_by_lines_reads_back_the_same(self):
        value = {"a": [{"b": [1, "ü"]}, {}], "c": None, "d": {"e": {"f": 1.5}}}
        for depth in range(5):
            self.assertEqual(json.loads(common.lines_json(value, depth)), value)
        self.assertEqual(common.lines_json({"a": [1, 2]}, 1), '{\n"a": [1, 2]\n}')

    def test_damaged_json_is_named(self):
        path = self.folder / "a.json"
        path.write_text("{")
        with self.assertRaisesRegex(common.Failure, "a.json is not JSON"):
            common.read_json(path)

    def test_a_missing_file_reads_as_the_default(self):
        self.assertEqual(common.read_json(self.folder / "no", {"x": 1}), {"x": 1})

    def test_two_comparisons_do_not_run_at_once(self):
        with mock.patch.object(common, "WORK", self.folder), common.lock():
            with self.assertRaisesRegex(common.Failure, f"process {os.getpid()}"):
                with common.lock():
                    self.fail("the lock was given twice")

    def test_the_tail_of_a_log_has_no_folders_colours_or_borders(self):
        text = "\x1b[31merror\x1b[0m in /some/where/deep/x.rs\n+----+\n\n"
        self.assertEqual(common.tail(text), "error in …/x.rs")


class Measured(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(mock.patch.object(measure, "HOME", self.folder / "home"))
        self.enterContext(mock.patch.object(measure, "CACHE", self.folder / "cache"))

    def run_python(self, code, seconds=20, memory=1 << 30):
        limits = measure.Limits(seconds, memory)
        usage = measure.once([sys.executable, "-S", "-c", code], self.folder, limits)
        return usage, measure.outcome(usage, limits)

    def test_a_good_step_has_time_and_memory(self):
        usage, outcome = self.run_python("x = b'x' * (200 << 20)")
        self.assertEqual(outcome, ("ok", ""))
        self.assertGreater(usage["peak_bytes"], 200 << 20)
        self.assertGreater(usage["wall"], 0)

    def test_peak_memory_is_not_that_of_the_caller(self):
        ballast = b"x" * (300 << 20)
        usage, _ = self.run_python("pass")
        self.assertLess(usage["peak_bytes"], len(ballast) // 4)

    def test_a_failed_step_says_why(self):
        _, outcome = self.run_python("raise SystemExit('too many rows')")
        self.assertEqual(outcome, ("failed", "too many rows"))

    def test_a_program_that_is_not_there_is_a_failed_step(self):
        limits = measure.Limits(5, 1 << 30)
        usage = measure.once([self.folder / "nothing"], self.folder, limits)
        self.assertEqual(measure.outcome(usage, limits)[0], "failed")
        self.assertIn("No such file", measure.outcome(usage, limits)[1])

    def test_a_step_over_the_time_limit_is_stopped(self):
        start = time.monotonic()
        _, outcome = self.run_python("import time; time.sleep(60)", seconds=0.3)
        self.assertEqual(outcome, ("limit", "stopped after 0 s (the time limit)"))
        self.assertLess(time.monotonic() - start, 20)

    def test_a_step_over_the_memory_limit_is_stopped(self):
        code = "import time; x = b'x' * (400 << 20); time.sleep(60)"
        _, outcome = self.run_python(code, memory=200 << 20)
        self.assertEqual(outcome, ("limit", "stopped above 0.2 GiB (the memory limit)"))

    def test_a_step_that_ends_by_a_signal_names_it(self):
        _, outcome = self.run_python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
        self.assertEqual(outcome, ("failed", "ended by SIGSEGV"))

    def test_the_users_secrets_are_not_passed_on(self):
        with mock.patch.dict(os.environ, {"VERDICT_PRIVATE_KEY": "0x1"}):
            self.assertNotIn("VERDICT_PRIVATE_KEY", measure.environment())

    def test_short_steps_are_repeated_long_ones_are_not(self):
        self.assertTrue(measure.wanted([]))
        self.assertFalse(measure.wanted([11.0]))
        self.assertTrue(measure.wanted([9.0, 9.0]))
        self.assertTrue(measure.wanted([9.0] * 3))
        self.assertFalse(measure.wanted([9.0] * 4))
        self.assertFalse(measure.wanted([0.1] * 7))

    def test_a_summary_has_medians_and_the_largest_peak(self):
        samples = [{"wall": w, "cpu": 1, "peak_bytes": p} for w, p in ((3, 5), (1, 9), (2, 7))]
        result = measure.summary(samples)
        self.assertEqual((result["wall"], result["peak_bytes"], result["runs"]), (2, 9, 3))

    def test_a_failure_in_a_later_run_fails_the_step(self):
        commands = iter(["pass", "raise SystemExit('too late')"])
        result = measure.step(lambda i: [sys.executable, "-S", "-c", next(commands)],
                              self.folder, measure.Limits(20, 1 << 30))
        self.assertEqual((result["status"], result["message"]), ("failed", "too late"))


class Suite(unittest.TestCase):
    def test_names_are_unique_and_in_order(self):
        names = [model.name for model in suite.SUITE]
        self.assertEqual(len(set(names)), len(names))
        self.assertEqual([m.name for m in suite.select(["mlp-20", "logistic"])],
                         ["logistic", "mlp-20"])

    def test_an_unknown_model_is_named_with_the_choice(self):
        with self.assertRaisesRegex(common.Failure, "no model nope: choose from credit-logistic"):
            suite.select(["nope"])

    def test_an_unknown_step_is_refused(self):
        with mock.patch("sys.stderr"), self.assertRaises(SystemExit):
            run.parse(["--step", "nope"])

    def test_no_list_or_report_needs_the_other_tools(self):
        done = subprocess.run([sys.executable, str(HERE / "run.py"), "--list"], text=True,
                              capture_output=True, check=False, env={"PATH": ""})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("transformer", done.stdout)


class Again(unittest.TestCase):
    """What a second run keeps and what it measures anew."""

    class Tool:
        name, steps, settings = "verdict", {"first": (), "second": ("first",)}, None

        def __init__(self, folder, results):
            self.folder, self.results, self.model, self.ran = folder, results, suite.SUITE[0], []

        def fingerprint(self):
            return ["1"]

        def ready(self):
            return None

        def run(self, name, steps):
            self.ran.append(name)
            return {"status": self.results[name], "wall": 1.0}

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(mock.patch.object(run, "RESULTS", self.folder / "results.json"))
        self.enterContext(mock.patch("sys.stdout"))
        self.entry = {}

    def measure(self, results, *arguments):
        tool = self.Tool(self.folder, results)
        with mock.patch.object(run, "versions", dict), mock.patch.object(run, "machine", dict):
            run.Run(run.parse(arguments)).tool(self.entry, tool, measure.Limits(1, 1))
        return tool.ran

    def test_a_step_that_has_its_result_is_not_run_again(self):
        good = {"first": "ok", "second": "ok"}
        self.assertEqual(self.measure(good), ["first", "second"])
        self.assertEqual(self.measure(good), [])
        self.assertEqual(self.measure(good, "--step", "settings"), [])

    def test_forced_anew_nothing_is_left_of_what_a_failed_step_led_to(self):
        self.measure({"first": "ok", "second": "ok"})
        self.assertEqual(self.measure({"first": "limit"}, "--force"), ["first"])
        self.assertEqual(list(self.entry["verdict"]["steps"]), ["first"])

    def test_settings_that_were_not_reached_are_no_settings(self):
        data = {"symbols": {}, "inputs": [], "calibration": []}
        model = mock.Mock(**{"read.return_value": data, "onnx": "m.onnx"})
        tool = tool_ezkl.Ezkl(model, "calibrated", self.folder, None)
        self.assertNotIn("logrows", tool.job({"settings": {"status": "limit"}}))
        sample = {"settings": {"logrows": 9}}
        done = {"settings": {"status": "ok", "samples": [sample]}}
        self.assertEqual(tool.job(done)["logrows"], 9)

    def in_turn(self, *arguments, of="1"):
        """The order of the runs of two tools whose proofs are there."""
        order, done = [], {"prove": {"status": "ok"}}

        def tool(name):
            self.entry[name] = {"of": [of], "steps": done}
            runs = mock.Mock(side_effect=lambda index: order.append((name, index)) or 1.0)
            return mock.Mock(**{"input_to_proof.return_value": runs, "model": suite.SUITE[0]})

        tools = {name: tool(name) for name in ("verdict", "ezkl-calibrated")}
        with mock.patch.object(run, "versions", dict), mock.patch.object(run, "machine", dict):
            run.Run(run.parse(arguments)).turns(self.entry, tools)
        return order

    def test_tools_run_in_turn_and_not_again(self):
        a, b = "verdict", "ezkl-calibrated"
        self.assertEqual(self.in_turn()[:5], [(a, 0), (b, 0), (a, 1), (b, 1), (a, 2)])
        self.assertEqual(self.in_turn(), [])
        self.assertNotEqual(self.in_turn("--force"), [])
        self.assertNotEqual(self.in_turn(of="another build"), [])

    def test_one_tool_alone_has_no_turn(self):
        with mock.patch.object(turns, "measure", side_effect=AssertionError):
            self.in_turn("--step", "prove")


class Turns(unittest.TestCase):
    def test_a_drift_that_both_share_leaves_the_ratio(self):
        pace = iter(range(1, 99))
        seconds = turns.measure(lambda _: 0.01 * next(pace), {"x": lambda _: 1.0 * next(pace)})
        self.assertEqual(len(seconds["verdict"]), turns.ROUNDS + 1)
        for found in turns.ratios(seconds, "x"):
            self.assertAlmostEqual(found, 100)

    def test_long_runs_have_one_round(self):
        seconds = turns.measure(lambda _: 1.0, {"x": lambda _: 100.0})
        self.assertEqual(seconds, {"verdict": [1.0, 1.0], "x": [100.0]})
        self.assertEqual(turns.ratio(seconds, "x"), 100)
        self.assertIsNone(turns.ratio(seconds, "y"))


if __name__ == "__main__":
    unittest.main()
