"""fit and Trainer: what they compute, whom they call, how they end and go on."""

import gc
import io
import math
import os
import signal
import tempfile
import threading
import time
import unittest
import weakref

import numpy as np

import tapeloom
from nets import Net, data, reference
from tapeloom.progress import ProgressBar


class Fitting(unittest.TestCase):
    def setUp(self):
        self.net = Net()
        self.x, self.y = data(40)
        self.data = {"x": self.x, "y": self.y}
        self.executor = self.net.compile()

    def test_it_is_gradient_descent(self):
        history = tapeloom.fit(self.executor, self.data, epochs=3, batch=16, shuffle=False, optimizer=tapeloom.Sgd(0.1))
        p, losses = self.net.numbers(), []
        for _ in range(3):
            total = 0.0
            for first in range(0, 40, 16):
                part = slice(first, min(first + 16, 40))
                loss, _, gradients, _ = reference(p, self.x[part], self.y[part])
                total += loss * (part.stop - part.start)
                p = p - 0.1 * gradients
            losses.append(total / 40)
        np.testing.assert_allclose(self.executor.parameters, p, rtol=1e-10)
        np.testing.assert_allclose(history.loss, losses, rtol=1e-12)
        self.assertEqual((history.end, len(history), history.best_epoch), ("epochs", 3, 3))
        self.assertEqual([report.epoch for report in history.epochs], [1, 2, 3])
        self.assertEqual(history.epochs[-1].steps, 9)
        self.assertIsNone(history.divergence)
        self.assertTrue(np.isnan(history.validation_loss).all())

    def test_rows_are_shuffled_as_the_function_does(self):
        tapeloom.fit(self.executor, self.data, epochs=1, batch=8, seed=5, optimizer=tapeloom.Sgd(0.1))
        p = self.net.numbers()
        for rows in tapeloom.shuffle_rows(range(40), 5, 0).reshape(5, 8):
            p = p - 0.1 * reference(p, self.x[rows], self.y[rows])[2]
        np.testing.assert_allclose(self.executor.parameters, p, rtol=1e-10)

    def test_forms_of_data(self):
        expected = None
        for given in [self.data, np.column_stack([self.x, self.y])]:
            executor = self.net.compile()
            tapeloom.fit(executor, given, epochs=2)
            expected = executor.parameters if expected is None else expected
            np.testing.assert_array_equal(executor.parameters, expected)
        with self.assertRaises(tapeloom.BindError):
            tapeloom.fit(self.executor, {"x": self.x})
        with self.assertRaises(tapeloom.BindError):
            tapeloom.fit(self.executor, self.x)

    def test_recorded_samples_need_no_data(self):
        a = tapeloom.Value(0.0)
        loss = sum((a * x - 3.0 * x) ** 2 for x in [1.0, 2.0, -1.0, 0.5])
        executor = tapeloom.compile(loss, [a])
        tapeloom.fit(executor, epochs=200, optimizer=tapeloom.Sgd(0.05))
        executor.write_back()
        self.assertAlmostEqual(a.data, 3.0, 6)

    def test_the_optimizer_goes_on(self):
        optimizer = tapeloom.Adam(0.01)
        tapeloom.fit(self.executor, self.data, epochs=2, batch=20, optimizer=optimizer)
        self.assertEqual(optimizer.steps, 4)
        tapeloom.fit(self.executor, self.data, epochs=2, batch=20, optimizer=optimizer)
        self.assertEqual(optimizer.steps, 8)

    def test_schedule_and_clipping(self):
        rates, norms = [], []

        def on_step(report):
            rates.append(report.learning_rate)
            norms.append(report.gradient_norm)

        tapeloom.fit(
            self.executor, self.data, epochs=1, batch=10, shuffle=False, on_step=on_step, clip_norm=0.01,
            optimizer=tapeloom.Sgd(1.0), schedule=lambda step: tapeloom.linear_decay(1.0, 0.0, 4, step),
        )
        self.assertEqual(rates, [1.0, 0.75, 0.5, 0.25])
        gradients = reference(self.net.numbers(), self.x[:10], self.y[:10])[2]
        self.assertAlmostEqual(norms[0], np.sqrt((gradients**2).sum()), 12)

    def test_validation_and_metrics(self):
        seen = []

        def error(outputs, rows):
            self.assertEqual(outputs.shape, (len(rows), 1))
            seen.append(rows)
            return np.abs(outputs[:, 0] - self.y[rows]).mean()

        history = tapeloom.fit(self.executor, self.data, epochs=2, validation_fraction=0.25, seed=3,
                               metrics={"error": error, "one": lambda outputs, rows: 1})
        _, validation = tapeloom.split_rows(40, 0.25, 3)
        np.testing.assert_array_equal(seen[0], validation)
        loss, out, _, _ = reference(self.executor.parameters, self.x[validation], self.y[validation])
        self.assertAlmostEqual(history.validation_loss[-1], loss, 12)
        self.assertAlmostEqual(history.metrics["error"][-1], np.abs(out - self.y[validation]).mean(), 12)
        self.assertEqual(history.epochs[0].metrics["one"], 1.0)
        training = set(range(40)) - set(validation.tolist())
        trainer = tapeloom.Trainer(self.executor, self.data, split=(sorted(training), validation))
        self.assertEqual(set(trainer.training_rows.tolist()), training)

    def test_validation_data_and_a_predictor(self):
        x, y = data(15, seed=9)
        predictor = tapeloom.compile(self.net.loss, self.net.parameters(), [self.net.out],
                                     gradients=False, parameters_of=self.executor)
        inference = tapeloom.compile(outputs=[self.net.out], parameters_of=self.executor)
        for other in [None, predictor]:
            history = tapeloom.fit(self.executor, self.data, epochs=2, validation_data={"x": x, "y": y}, predictor=other)
            loss = reference(self.executor.parameters, x, y)[0]
            self.assertAlmostEqual(history.validation_loss[-1], loss, 12)
        history = tapeloom.fit(self.executor, self.data, epochs=1, predictor=inference,
                               metrics={"mean": lambda outputs, rows: outputs.mean()})
        out = reference(self.executor.parameters, self.x, self.y)[1]
        self.assertAlmostEqual(history.metrics["mean"][0], out.mean(), 12)
        with self.assertRaises(tapeloom.BindError):
            tapeloom.fit(self.executor, self.data, predictor=self.net.compile())

    def test_patience_restores_the_best(self):
        kept = []
        history = tapeloom.fit(
            self.executor, self.data, epochs=50, patience=3, optimizer=tapeloom.Sgd(0.01),
            metrics={"m": lambda outputs, rows: [1, 2, 3, 2, 2, 2][len(kept)]}, monitor="m",
            on_epoch=lambda report: kept.append(self.executor.parameters.copy()),
        )
        self.assertEqual((history.end, history.best_epoch, len(history)), ("patience", 3, 6))
        np.testing.assert_array_equal(self.executor.parameters, kept[2])

    def test_divergence(self):
        self.x[7, 1] = np.nan
        history = tapeloom.fit(self.executor, self.data, shuffle=False, batch=4)
        self.assertEqual(history.end, "diverged")
        self.assertEqual((history.divergence.row, history.divergence.group, history.divergence.column), (7, "x", 1))
        self.assertIn('"x"', history.divergence.what)

    def test_options_that_make_no_sense(self):
        for options in [{"batch": 0}, {"validation_fraction": 1.5}, {"clip_norm": -1.0}, {"monitor": "none"},
                        {"split": ([99], [])}, {"metrics": {"m": None}}, {"on_step": 3}, {"epoch": 3},
                        {"epochs": "3"}, {"optimizer": "adam"}, {"schedule": 0.1}, {"split": [1, 2, 3]}]:
            with self.assertRaises((tapeloom.BindError, TypeError)):
                tapeloom.fit(self.executor, self.data, **options)
        with self.assertRaises(TypeError):
            tapeloom.fit(self.executor.program, self.data)

    def test_an_option_of_another_type_is_named(self):
        for options, words in [
            ({"epochs": 1.5}, "epochs is an integer, not 'float'"),
            ({"epochs": "3"}, "epochs is an integer, not 'str'"),
            ({"seed": None}, "seed is an integer, not 'NoneType'"),
            ({"shuffle": "False"}, "shuffle is True or False, not 'False'"),
            ({"restore_best": 0.5}, "restore_best is True or False, not 0.5"),
            ({"clip_norm": "1"}, "clip_norm is a number, not 'str'"),
            ({"monitor": 3}, "monitor is a string, not 'int'"),
            ({"split": 3}, "split is two lists of row numbers"),
            ({"metrics": [1]}, "metrics is a dict of functions by name, not 'list'"),
            ({"metrics": {1: max}}, "the name of a metric is a string, not 'int'"),
            ({"metrics": {"m": lambda outputs, rows: None}}, "the result of metric \"m\" is a number, not 'NoneType'"),
            ({"schedule": lambda step: "0.1"}, "the result of schedule is a number, not 'str'"),
            ({"optimizer": tapeloom.Adam}, "the class Adam is given in place of one that it makes, Adam()"),
        ]:
            with self.subTest(words), self.assertRaises(TypeError) as caught:
                tapeloom.fit(self.executor, self.data, **options)
            self.assertIn(words, str(caught.exception))
        for name in ("epochs", "batch", "seed", "patience"):
            with self.assertRaises(tapeloom.BindError) as caught:
                tapeloom.fit(self.executor, self.data, **{name: -1})
            self.assertEqual(str(caught.exception), f"{name} is from 0 to 2**64 - 1, not -1")
        tapeloom.fit(self.executor, self.data, epochs=np.int64(1), shuffle=np.bool_(False), clip_norm=np.float32(1),
                     metrics={"m": lambda outputs, rows: np.array(0.5)})

    def test_predict(self):
        executor = tapeloom.compile(outputs=[self.net.out, self.net.out * 2.0], parameters=self.net.parameters(),
                                    max_samples=7)
        outputs = tapeloom.predict(executor, {"x": self.x})
        expected = reference(self.net.numbers(), self.x, self.y)[1]
        np.testing.assert_allclose(outputs, np.column_stack([expected, 2 * expected]), rtol=1e-12)
        with self.assertRaises(tapeloom.BindError):
            tapeloom.predict(tapeloom.compile(self.net.loss, self.net.parameters()), self.data)


class Callbacks(unittest.TestCase):
    def setUp(self):
        self.net = Net()
        self.x, self.y = data(40)
        self.data = {"x": self.x, "y": self.y}
        self.executor = self.net.compile()

    def test_false_stops_and_the_run_goes_on(self):
        trainer = tapeloom.Trainer(self.executor, self.data, epochs=2, batch=10, on_step=lambda r: r.step != 3)
        self.assertEqual(trainer.run().end, "callback")
        self.assertEqual(trainer.optimizer.steps, 3)
        self.assertEqual(trainer.run().end, "epochs")
        self.assertEqual(trainer.optimizer.steps, 8)
        self.assertFalse(trainer.step())
        self.assertIs(trainer.executor, self.executor)

    def test_what_is_raised_ends_the_run_and_goes_through(self):
        class Own(Exception):
            pass

        def raises(*arguments):
            raise Own("mine")

        for options in [{"on_step": raises}, {"on_epoch": raises}, {"schedule": raises}, {"metrics": {"m": raises}}]:
            trainer = tapeloom.Trainer(self.executor, self.data, **options)
            with self.assertRaisesRegex(Own, "mine"):
                trainer.run()
            self.executor.bind(**self.data)  # nobody is at work any more
            self.executor.step()

    def test_a_callback_may_read_and_step_but_not_bind(self):
        seen = []

        def on_step(report):
            seen.append((self.executor.loss, report.loss, self.executor.outputs.copy()))
            self.executor.step(0, 4)
            for wrong in [lambda: self.executor.bind(**self.data), lambda: tapeloom.predict(self.executor, self.data),
                          lambda: tapeloom.fit(self.executor, self.data), trainer.step]:
                with self.assertRaises(RuntimeError):
                    wrong()

        trainer = tapeloom.Trainer(self.executor, self.data, epochs=1, batch=10, on_step=on_step)
        trainer.run()
        self.assertEqual(len(seen), 4)
        self.assertTrue(all(loss == reported for loss, reported, _ in seen))

    def test_rows_bound_between_steps_are_the_runs_again(self):
        expected = self.net.compile()
        tapeloom.fit(expected, self.data, epochs=3, batch=10, validation_data={"x": self.x[:5], "y": self.y[:5]})
        for is_predictor in [False, True]:
            executor = self.net.compile()
            trainer = tapeloom.Trainer(executor, self.data, epochs=3, batch=10,
                                       validation_data={"x": self.x[:5], "y": self.y[:5]},
                                       predictor=executor if is_predictor else None)
            while trainer.step():
                other = {"x": np.full((7, 3), 9.0), "y": np.zeros(7)}
                executor.bind(**other)
                executor.step()
            np.testing.assert_array_equal(executor.parameters, expected.parameters)

    def test_after_validation_by_data_of_its_own_the_executor_is_bound_to_the_training_data(self):
        validation = {"x": self.x[:5], "y": self.y[:5]}
        tapeloom.fit(self.executor, self.data, epochs=1, validation_data=validation)
        self.assertEqual(self.executor.bound_rows, 40)
        with self.assertRaisesRegex(tapeloom.BindError, "give them as data"):
            tapeloom.fit(self.executor, epochs=1, validation_data=validation)
        self.assertEqual(self.executor.bound_rows, 40)

    def test_an_optimizer_of_ones_own(self):
        class Sign:
            learning_rate = 0.01
            steps = 0

            def update(self, executor, gradients):
                executor.parameters -= self.learning_rate * np.sign(gradients)
                self.steps += 1

            def state(self):
                return {"kind": "sign", "steps": self.steps, "learning_rate": self.learning_rate, "moments": {}}

            def restore(self, state):
                self.steps, self.learning_rate = state["steps"], state["learning_rate"]

        optimizer = Sign()
        tapeloom.fit(self.executor, self.data, epochs=3, batch=40, shuffle=False, optimizer=optimizer)
        p = self.net.numbers()
        for _ in range(3):
            p = p - 0.01 * np.sign(reference(p, self.x, self.y)[2])
        np.testing.assert_allclose(self.executor.parameters, p, rtol=1e-12)
        self.assertEqual(optimizer.steps, 3)

    def test_progress(self):
        stream = io.StringIO()
        bar = ProgressBar(3, stream)
        bar.started -= 1.0
        tapeloom.fit(self.executor, self.data, epochs=3, progress=bar, metrics={"m": lambda o, r: 0.5},
                     validation_fraction=0.2, on_step=lambda r: time.sleep(0.005))
        text = stream.getvalue()
        self.assertIn("epoch 3/3", text)
        self.assertIn("m 0.5", text)
        self.assertIn("validation", text)
        self.assertTrue(text.endswith("\n"))

    def test_cycles_through_callbacks_are_collected(self):
        trainer = tapeloom.Trainer(self.executor, self.data, on_step=lambda report: trainer)
        watch = weakref.ref(trainer)
        del trainer
        gc.collect()
        self.assertIsNone(watch())

    def test_the_data_live_as_long_as_they_are_bound(self):
        x, y, v = self.x.copy(), self.y.copy(), self.x[:5].copy()
        trainer = tapeloom.Trainer(self.executor, {"x": x, "y": y}, epochs=2,
                                   validation_data={"x": v, "y": self.y[:5]})
        del x, y, v
        gc.collect()
        junk = [np.full((40, 3), np.nan) for _ in range(50)]
        self.assertEqual(trainer.run().end, "epochs")
        del trainer
        gc.collect()
        junk += [np.full((5, 3), np.nan) for _ in range(50)]
        self.assertTrue(math.isfinite(self.executor.step()))


class Interrupts(unittest.TestCase):
    def interrupted(self, run):
        seconds = []

        def interrupt():
            seconds.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        timer = threading.Timer(0.2, interrupt)
        timer.start()
        with self.assertRaises(KeyboardInterrupt):
            run()
        self.assertLess(time.monotonic() - seconds[0], 2.0)  # on a machine that does other things, too
        timer.join()

    def test_ctrl_c_ends_a_fit_and_it_goes_on(self):
        x, y = data(64)
        executor = Net().compile()
        trainer = tapeloom.Trainer(executor, {"x": x, "y": y}, epochs=10**9)
        self.interrupted(trainer.run)
        steps = trainer.optimizer.steps
        self.assertGreater(steps, 10)
        trainer.step()
        self.assertEqual(trainer.optimizer.steps, steps + 1)
        self.assertTrue(np.isfinite(executor.parameters).all())
        executor.bind(x=x, y=y)

    def test_ctrl_c_with_callbacks(self):
        x, y = data(64)
        executor = Net().compile()
        self.interrupted(lambda: tapeloom.fit(executor, {"x": x, "y": y}, epochs=10**9, on_step=lambda r: None))

    def test_other_threads_run_meanwhile(self):
        x, y = data(64)
        executor = Net().compile()
        counted = []

        def count():
            while not done.is_set():
                counted.append(1)
                time.sleep(0)

        done = threading.Event()
        thread = threading.Thread(target=count)
        thread.start()
        before = len(counted)
        tapeloom.fit(executor, {"x": x, "y": y}, epochs=30000)
        during = len(counted) - before
        done.set()
        thread.join()
        self.assertGreater(during, 100)


class Checkpoints(unittest.TestCase):
    def setUp(self):
        self.net = Net()
        self.x, self.y = data(40)
        self.data = {"x": self.x, "y": self.y}
        self.options = {"epochs": 6, "batch": 10, "seed": 2, "validation_fraction": 0.2}
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "run.safetensors")
        whole = self.net.compile()
        tapeloom.fit(whole, self.data, **self.options)
        self.expected = whole.parameters

    def test_a_fit_goes_on_with_the_same_bits(self):
        first = self.net.compile()
        history = tapeloom.fit(first, self.data, checkpoint=self.path, on_step=lambda r: r.step != 11, **self.options)
        self.assertEqual(history.end, "callback")
        second = self.net.compile()
        history = tapeloom.fit(second, self.data, checkpoint=self.path, **self.options)
        np.testing.assert_array_equal(second.parameters, self.expected)
        self.assertEqual(len(history), 6)

    def test_trainers_are_saved_and_restored(self):
        trainer = tapeloom.Trainer(self.net.compile(), self.data, **self.options)
        for _ in range(7):
            trainer.step()
        tapeloom.save_checkpoint(self.path, trainer)
        state = trainer.state()
        self.assertEqual((state.epoch, state.optimizer["steps"]), (1, 7))
        for load in [lambda t: tapeloom.load_checkpoint(self.path, t), lambda t: t.restore(state)]:
            executor = self.net.compile()
            other = tapeloom.Trainer(executor, self.data, **self.options)
            load(other)
            other.run()
            np.testing.assert_array_equal(executor.parameters, self.expected)
        for executor, options in [(self.net.compile(), {**self.options, "seed": 3}),
                                  (self.net.compile(dtype="float32"), self.options)]:
            with self.assertRaises((tapeloom.BindError, tapeloom.DataError)):
                tapeloom.load_checkpoint(self.path, tapeloom.Trainer(executor, self.data, **options))
            with self.assertRaises(tapeloom.BindError):
                tapeloom.Trainer(executor, self.data, **options).restore(state)
        with self.assertRaisesRegex(tapeloom.BindError, "save_checkpoint"):
            tapeloom.Trainer(self.net.compile(), self.data, checkpoint=self.path)
        with self.assertRaises(tapeloom.DataError):
            tapeloom.load_checkpoint(self.path + "x", trainer)


if __name__ == "__main__":
    unittest.main()
