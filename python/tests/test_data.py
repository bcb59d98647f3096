"""Files, preprocessing, weights and metrics, against NumPy."""

import gzip
import os
import pathlib
import pickle
import struct
import tempfile
import unittest

import numpy as np

import tapeloom
from nets import Net, data, reference


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, text, name="table.csv"):
        path = self.folder / name
        path.write_text(text)
        return path

    def test_csv(self):
        table = tapeloom.read_csv(self.write("a,b,kind\n1,2.5,cat\n3,-4e-1,ant\n"), header=True, categories=["kind"])
        np.testing.assert_array_equal(table.values, [[1, 2.5, 1], [3, -0.4, 0]])
        self.assertEqual(table.names, ["a", "b", "kind"])
        self.assertEqual((table.rows, table.columns, table.column("b")), (2, 3, 1))
        self.assertEqual(table.categories[2].texts, ["ant", "cat"])
        known = tapeloom.Categories(["dog", "cat", "ant"])
        table = tapeloom.read_csv(str(self.write("1 cat\n2  ant\n")), separator=None, categories=[(1, known)])
        np.testing.assert_array_equal(table.values, [[1, 1], [2, 2]])
        table = tapeloom.read_csv(self.write("1;2,5\nNA;1.000,5\n"), separator=";", decimal=",", thousands=".",
                                  allow_missing=True)
        np.testing.assert_array_equal(table.values, [[1, 2.5], [np.nan, 1000.5]])
        self.assertEqual(table.missing, [(1, 0, 2)])
        values = table.values
        del table
        self.assertEqual(values[0, 1], 2.5)

    def test_csv_errors(self):
        with self.assertRaises(tapeloom.DataError) as caught:
            tapeloom.read_csv(self.write("1,2\n3,x\n"))
        self.assertEqual((caught.exception.line, caught.exception.column), (2, 2))
        with self.assertRaises(tapeloom.DataError):
            tapeloom.read_csv(self.folder / "none.csv")
        with self.assertRaises(tapeloom.BindError):
            tapeloom.read_csv(self.write("1,2\n"), thousands=".")
        for wrong in ("ab", "", "\0"):
            with self.assertRaises(ValueError):
                tapeloom.read_csv(self.write("1,2\n"), separator=wrong)
        with self.assertRaisesRegex(ValueError, "^separator is one character of ASCII, or None for runs of blanks$"):
            tapeloom.read_csv(self.write("1 2\n"), separator="blank_runs")  # as it is called in messages
        with self.assertRaisesRegex(ValueError, "^thousands is one character of ASCII$"):
            tapeloom.read_csv(self.write("1 2\n"), thousands="..")
        a_column = "categories: a column is a number, a name, or (column, Categories), not 'float'"
        for categories, words in [([1.5], a_column),
                                  ([(0, ["a"])], "categories: what is known is a Categories, not 'list'"),
                                  ([(0,)], "categories: (column, Categories) is expected")]:
            with self.assertRaises(TypeError) as caught:
                tapeloom.read_csv(self.write("1,2\n"), categories=categories)
            self.assertEqual(str(caught.exception), words)
        with self.assertRaises(TypeError):
            tapeloom.read_csv(self.write("1,2\n"), separators=",")
        self.assertIn("NA", tapeloom.usual_missing_texts())

    def test_texts_in_other_encodings_come_back_as_names_of_files_do(self):
        path = self.folder / "latin.csv"
        path.write_bytes(b"gr\xf6\xdfe,kind\n1,K\xe4fer\n2,Ameise\n")
        table = tapeloom.read_csv(path, header=True, categories=["kind"])
        size = "gr\udcf6\udcdfe"
        self.assertEqual(table.names, [size, "kind"])
        self.assertEqual(table.column(size), 0)
        known = table.categories[1]
        self.assertEqual([text.encode(errors="surrogateescape").decode("latin-1") for text in known.texts],
                         ["Ameise", "K\xe4fer"])
        beetle = "K\udce4fer"
        self.assertEqual((known[1], known.find(beetle), known.index(beetle), beetle in known), (beetle, 1, 1, True))
        self.assertEqual(pickle.loads(pickle.dumps(known)), known)
        self.assertEqual(tapeloom.Categories(known.texts), known)
        self.assertIn("K\\udce4fer", repr(known))
        again = tapeloom.read_csv(path, header=True, categories=[("kind", known)])
        np.testing.assert_array_equal(again.values, [[1, 1], [2, 0]])

    def test_a_file_whose_name_is_no_utf_8_is_named(self):
        name = os.fsdecode(b"\xff\xfe.csv")
        for read in (tapeloom.read_csv, tapeloom.read_idx, tapeloom.read_safetensors, tapeloom.load_program):
            with self.assertRaises(tapeloom.DataError) as caught:
                read(self.folder / name)
            self.assertIn(name + ": cannot open", str(caught.exception))

    def test_masked_numbers_are_refused(self):
        executor = Net().compile()
        rows = np.ma.masked_array(np.ones((2, 2)), mask=[[False, True], [False, False]])
        for use in (lambda: executor.bind(x=rows), lambda: tapeloom.standardise(rows), lambda: tapeloom.one_hot(rows),
                    lambda: tapeloom.write_safetensors(self.folder / "masked", {"a": rows}),
                    lambda: tapeloom.import_weights(executor, {"a": rows})):
            with self.assertRaises(tapeloom.BindError) as caught:
                use()
            self.assertIn("masked numbers", str(caught.exception))
        tapeloom.standardise(np.ma.masked_array(np.ones((2, 2))))

    def test_idx(self):
        numbers = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
        path = self.folder / "images.gz"
        with gzip.open(path, "wb") as file:
            file.write(struct.pack(">BBBBIII", 0, 0, 8, 3, 2, 3, 4) + numbers.tobytes())
        read = tapeloom.read_idx(path, (0, 3, 4))
        self.assertEqual(read.dtype, np.float32)
        np.testing.assert_array_equal(read, numbers)
        self.assertEqual(tapeloom.read_idx(path, dtype=np.float64).dtype, np.float64)
        with self.assertRaises(tapeloom.DataError):
            tapeloom.read_idx(path, (0, 28, 28))

    def test_safetensors(self):
        path = self.folder / "some.safetensors"
        tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1.5]), "c": np.float64(2.0),
                   "t": np.arange(6.0).reshape(2, 3).T}
        tapeloom.write_safetensors(path, tensors, {"made": "here"})
        file = tapeloom.read_safetensors(path)
        self.assertEqual(set(file.tensors), set(tensors))
        for name, array in tensors.items():
            np.testing.assert_array_equal(file[name], array)
            self.assertEqual(file[name].dtype, array.dtype)
            self.assertEqual(file[name].shape, np.shape(array))
        self.assertEqual(file.metadata, {"made": "here"})
        self.assertIn("a", file)
        self.assertNotIn("z", file)
        with self.assertRaises(KeyError):
            file["z"]
        header = b'{"i":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}'
        path.write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<q", 7))
        other = tapeloom.read_safetensors(path)
        self.assertEqual((other.others["i"].type, other.others["i"].shape), ("I64", (1,)))
        self.assertEqual(other.others["i"].bytes, struct.pack("<q", 7))
        tapeloom.write_safetensors(self.folder / "again", other)
        self.assertEqual(tapeloom.read_safetensors(self.folder / "again").others["i"].bytes, struct.pack("<q", 7))
        with self.assertRaises(tapeloom.BindError):
            tapeloom.write_safetensors(path, {"a": np.arange(3)})
        with self.assertRaises(TypeError):
            tapeloom.write_safetensors(path, [np.zeros(3)])
        with self.assertRaises(TypeError) as caught:
            tapeloom.write_safetensors(path, {"a": np.zeros(3)}, {"epochs": 3})
        self.assertEqual(str(caught.exception), 'metadata["epochs"] is a string, not \'int\'')
        for tensors, metadata in [({"\ud800": np.zeros(3)}, None), ({"a": np.zeros(3)}, {"\ud800": "b"})]:
            with self.assertRaises(UnicodeEncodeError):  # half a pair of surrogates
                tapeloom.write_safetensors(path, tensors, metadata)
        with self.assertRaises(tapeloom.DataError):
            tapeloom.read_safetensors(self.folder / "none")

    def test_programs(self):
        net = Net()
        x, y = data()
        executor = net.compile()
        executor.parameters *= 0.5
        path = self.folder / "net.tapeloom"
        tapeloom.save_program(path, executor)
        program = tapeloom.load_program(path)
        again = tapeloom.Executor(program, max_samples=10)
        again.bind(x=x, y=y)
        self.assertAlmostEqual(again.step(), reference(net.numbers() * 0.5, x, y)[0], 13)
        self.assertEqual(program.values, [])
        with self.assertRaisesRegex(tapeloom.BindError, "write_back"):
            again.write_back()
        again.write_back(net.parameters())
        self.assertEqual(net.parameters()[0].data, again.parameters[0])
        with self.assertRaises(tapeloom.DataError):
            tapeloom.load_program(path, max_bytes=10)
        path.write_bytes(b"nothing")
        with self.assertRaises(tapeloom.DataError):
            tapeloom.load_program(path)
        with self.assertRaises(TypeError):
            tapeloom.save_program(path, net)


class Weights(unittest.TestCase):
    def test_out_and_in(self):
        net = Net()
        executor = net.compile()
        w = [p for n in net.model.layers[0].neurons for p in n.w]
        b = [n.b for n in net.model.layers[0].neurons]
        layout = [
            tapeloom.parameter_tensor(executor, "0.weight", w, (4, 3)),
            tapeloom.parameter_tensor(executor, "0.bias", b),
            tapeloom.ParameterTensor("1", (5,), [16, 17, 18, 19, 20]),
        ]
        self.assertEqual(layout[0].shape, (4, 3))
        self.assertEqual(layout[1].parameters, [3, 7, 11, 15])
        weights = tapeloom.export_weights(executor, layout)
        np.testing.assert_array_equal(weights["0.weight"], np.array([p.data for p in w]).reshape(4, 3))
        other = Net(seed=8).compile(dtype="float32")
        tapeloom.import_weights(other, weights, layout)
        np.testing.assert_array_equal(other.parameters, executor.parameters.astype(np.float32))
        weights["0.bias"] = np.zeros(5)
        with self.assertRaisesRegex(tapeloom.BindError, "0.bias"):
            tapeloom.import_weights(executor, weights, layout)
        executor.set_frozen(layout[0])
        self.assertEqual(executor.trained, [3, 7, 11, 15, 16, 17, 18, 19, 20])
        for wrong in [lambda: tapeloom.parameter_tensor(executor, "w", w, (5, 3)),
                      lambda: tapeloom.parameter_tensor(executor, "w", [tapeloom.Value(1.0)]),
                      lambda: tapeloom.ParameterTensor("w", (2,), [1])]:
            with self.assertRaises(tapeloom.BindError):
                wrong()

    def test_by_labels(self):
        w = [tapeloom.parameter(float(i), f"w[{i // 2}][{i % 2}]") for i in range(4)]
        bias = tapeloom.parameter(7.0, "bias")
        executor = tapeloom.compile(tapeloom.sum(w) * bias, w + [bias])
        weights = tapeloom.export_weights(executor)
        np.testing.assert_array_equal(weights["w"], [[0, 1], [2, 3]])
        self.assertEqual(weights["bias"], 7.0)
        self.assertEqual([t.name for t in tapeloom.labelled_layout(executor.program)], ["w", "bias"])
        self.assertEqual([t.name for t in tapeloom.tensor_layout(executor)], ["w", "bias"])
        tapeloom.import_weights(executor, {"w": weights["w"] + 1, "bias": np.float32(2.0), "other": np.zeros(3)})
        np.testing.assert_array_equal(executor.parameters, [1, 2, 3, 4, 2])


class Preprocessing(unittest.TestCase):
    def test_standardisation(self):
        rows = np.random.default_rng(1).normal(3.0, 5.0, size=(50, 4))
        for dtype, tolerance in [(np.float64, 1e-12), (np.float32, 1e-5)]:
            given = rows.astype(dtype)
            made = tapeloom.standardise(given)
            np.testing.assert_allclose(made.mean, rows.mean(axis=0), rtol=1e-6)
            np.testing.assert_allclose(made.deviation, rows.std(axis=0), rtol=1e-6)
            made.apply(given)
            np.testing.assert_allclose(given.std(axis=0), np.ones(4), rtol=tolerance * 10)
            made.undo(given)
            np.testing.assert_allclose(given, rows, rtol=tolerance * 10, atol=tolerance)
        part = rows[:, 1:3]
        chosen = [0, 4, 7]
        made = tapeloom.standardise(part, chosen)
        np.testing.assert_allclose(made.mean, part[chosen].mean(axis=0))
        untouched = rows[:, 0].copy()
        made.apply(part)
        np.testing.assert_array_equal(rows[:, 0], untouched)
        again = tapeloom.Standardisation.from_tensors(made.tensors("in"), "in")
        self.assertEqual(again, made)
        self.assertEqual(pickle.loads(pickle.dumps(made)), made)
        for wrong in [lambda: tapeloom.Standardisation([0.0], [0.0]), lambda: made.apply(rows),
                      lambda: made.apply(rows.astype(int)), lambda: tapeloom.standardise(rows, []),
                      lambda: tapeloom.standardise(np.zeros((0, 3))), lambda: tapeloom.standardise(rows, [50])]:
            with self.assertRaises(tapeloom.BindError):
                wrong()

    def test_one_hot(self):
        made = tapeloom.one_hot(np.array([5.0, 2.0, 5.0, 9.0]))
        np.testing.assert_array_equal(made.categories, [2, 5, 9])
        np.testing.assert_array_equal(made.encode(np.array([9.0, 2.0])), [[0, 0, 1], [1, 0, 0]])
        self.assertEqual(made.encode(np.array([9.0], dtype=np.float32)).dtype, np.float32)
        self.assertEqual((len(made), made.index(5.0), made.decode(np.array([0.1, 0.2, 0.9]))), (3, 1, 9.0))
        self.assertEqual(tapeloom.OneHot.from_tensors(made.tensors("c"), "c"), made)
        self.assertEqual(pickle.loads(pickle.dumps(made)), made)
        for wrong in [lambda: made.index(3.0), lambda: tapeloom.OneHot([2.0, 1.0]),
                      lambda: made.encode(np.array([1.0]))]:
            with self.assertRaises(tapeloom.BindError):
                wrong()

    def test_categories(self):
        made = tapeloom.Categories(["cat", "ant"])
        self.assertEqual((len(made), made[1], made.find("ant"), made.find("dog")), (2, "ant", 1, None))
        self.assertEqual(list(made), ["cat", "ant"])
        self.assertIn("cat", made)
        self.assertEqual(tapeloom.Categories.from_tensors(made.tensors("c"), "c"), made)
        self.assertEqual(pickle.loads(pickle.dumps(made)), made)
        with self.assertRaisesRegex(tapeloom.BindError, "cat"):
            made.index("dog")
        with self.assertRaises(tapeloom.BindError):
            tapeloom.Categories(["a", "a"])


class Metrics(unittest.TestCase):
    def test_confusion(self):
        generator = np.random.default_rng(2)
        scores, expected = generator.normal(size=(100, 3)), generator.integers(0, 3, size=100)
        predicted = scores.argmax(axis=1)
        matrix = tapeloom.ConfusionMatrix(3)
        matrix.add(scores, expected)
        counts = np.zeros((3, 3), dtype=int)
        np.add.at(counts, (expected, predicted), 1)
        np.testing.assert_array_equal(matrix.counts, counts)
        self.assertEqual((matrix.total, matrix.correct, matrix.classes), (100, np.trace(counts), 3))
        self.assertEqual(matrix.accuracy, (predicted == expected).mean())
        self.assertEqual(tapeloom.accuracy(scores, expected, 3), matrix.accuracy)
        self.assertEqual(tapeloom.accuracy(scores.astype(np.float32), expected.astype(np.float32), 3), matrix.accuracy)
        precision, recall = counts[1, 1] / counts[:, 1].sum(), counts[1, 1] / counts[1].sum()
        self.assertAlmostEqual(matrix.precision(1), precision)
        self.assertAlmostEqual(matrix.recall(1), recall)
        self.assertAlmostEqual(matrix.f1(1), 2 / (1 / precision + 1 / recall))
        self.assertAlmostEqual(matrix.balanced_accuracy, (np.diag(counts) / counts.sum(axis=1)).mean())
        matrix.add(0, 2)
        self.assertEqual(matrix.count(2, 0), counts[2, 0] + 1)
        self.assertIn(str(counts[1, 1]), str(matrix))
        for wrong in [lambda: matrix.add(scores, expected[:5]), lambda: matrix.add(scores, expected + 1),
                      lambda: matrix.count(3, 0), lambda: tapeloom.ConfusionMatrix(0)]:
            with self.assertRaises(tapeloom.BindError):
                wrong()
        self.assertEqual(tapeloom.largest_of(np.array([1.0, np.nan, 3.0, 3.0])), 2)

    def test_errors(self):
        generator = np.random.default_rng(2)
        predicted, expected = generator.normal(size=50), generator.normal(size=50)
        sums = tapeloom.ErrorSums()
        sums.add(predicted[:30], expected[:30])
        for p, e in zip(predicted[30:].tolist(), expected[30:].tolist()):
            sums.add(p, e)
        error = predicted - expected
        self.assertEqual(sums.count, 50)
        self.assertAlmostEqual(sums.mean_absolute, np.abs(error).mean())
        self.assertAlmostEqual(sums.mean_squared, (error**2).mean())
        self.assertAlmostEqual(sums.root_mean_squared, np.sqrt((error**2).mean()))
        self.assertAlmostEqual(sums.largest_absolute, np.abs(error).max())
        self.assertAlmostEqual(sums.bias, error.mean())
        self.assertAlmostEqual(sums.r_squared, 1 - (error**2).sum() / ((expected - expected.mean()) ** 2).sum())
        with self.assertRaises(tapeloom.BindError):
            sums.add(predicted, expected[:3])


class Losses(unittest.TestCase):
    def check(self, loss, expected, parameters):
        self.assertAlmostEqual(loss.data, expected(*[p.data for p in parameters]), 12)
        for p in parameters:
            p.grad = 0.0
        loss.backward()
        for i, p in enumerate(parameters):
            numbers = [q.data for q in parameters]
            up, down = list(numbers), list(numbers)
            up[i] += 1e-6
            down[i] -= 1e-6
            self.assertAlmostEqual(p.grad, (expected(*up) - expected(*down)) / 2e-6, 6)

    def test_formulas(self):
        a, b = tapeloom.Value(0.7), tapeloom.Value(-1.3)
        sigmoid = lambda z: 1 / (1 + np.exp(-z))
        self.check(tapeloom.squared_error(a, 2.0), lambda x, y: (x - 2.0) ** 2, [a, b])
        self.check(tapeloom.squared_error(a, b, weight=3.0), lambda x, y: 3 * (x - y) ** 2, [a, b])
        self.check(tapeloom.squared_error_sum([a, b], [1.0, 2.0]), lambda x, y: (x - 1) ** 2 + (y - 2) ** 2, [a, b])
        self.check(tapeloom.squared_error_mean([a, b], [1.0, 2.0], [1.0, 3.0]),
                   lambda x, y: ((x - 1) ** 2 + 3 * (y - 2) ** 2) / 4, [a, b])
        self.check(tapeloom.huber(a, 0.0), lambda x, y: x * x / 2 if abs(x) <= 1 else abs(x) - 0.5, [a, b])
        self.check(tapeloom.huber(a, 0.0, delta=0.125, weight=2.0),
                   lambda x, y: x * x if abs(x) <= 0.125 else 0.25 * (abs(x) - 0.0625), [a, b])
        self.check(tapeloom.huber_sum([a, b], [0, 0], 0.125), lambda x, y: sum(
            v * v / 2 if abs(v) <= 0.125 else 0.125 * (abs(v) - 0.0625) for v in (x, y)), [a, b])
        self.check(tapeloom.huber_mean([a, b], [0, 0], delta=9.0, weights=[1, 3]),
                   lambda x, y: (x * x + 3 * y * y) / 8, [a, b])
        self.check(tapeloom.l1(a, -1.0, weight=2.0), lambda x, y: 2 * abs(x + 1), [a, b])
        self.check(tapeloom.l1_sum([a, b], [0, 0]), lambda x, y: abs(x) + abs(y), [a, b])
        self.check(tapeloom.l1_mean([a, b], [0, 0], [1, 3]), lambda x, y: (abs(x) + 3 * abs(y)) / 4, [a, b])
        self.check(tapeloom.smooth_l1(a, 0.0, beta=2.0), lambda x, y: x * x / 4, [a, b])
        self.check(tapeloom.smooth_l1(b, 0.0, 0.5, 3.0), lambda x, y: 3 * (abs(y) - 0.25), [a, b])
        log_sum = lambda x, y: np.log(np.exp(x) + np.exp(y))
        self.check(tapeloom.kl_div(tapeloom.log_softmax([a, b]), [0.25, 0.75], weight=2.0),
                   lambda x, y: 2 * (0.25 * (np.log(0.25) - x) + 0.75 * (np.log(0.75) - y) + log_sum(x, y)), [a, b])
        self.check(tapeloom.softmax([a, b])[1], lambda x, y: np.exp(y - log_sum(x, y)), [a, b])
        smoothed = lambda x, y: log_sum(x, y) - 0.9 * x - 0.1 * y
        for target in [0, [1, 0]]:
            self.check(tapeloom.softmax_cross_entropy([a, b], target, label_smoothing=0.2), smoothed, [a, b])
        self.assertEqual(tapeloom.softmax_cross_entropy([a, b], np.array(1)).data,
                         tapeloom.softmax_cross_entropy([a, b], 1).data)
        for target in (1.0, None):
            with self.assertRaises(TypeError) as caught:
                tapeloom.softmax_cross_entropy([a, b], target)
            self.assertIn("softmax_cross_entropy: ", str(caught.exception))
        self.check(tapeloom.softmax_cross_entropy_sum([[a, b]], [0], label_smoothing=0.2), smoothed, [a, b])
        self.check(tapeloom.softmax_cross_entropy_mean([[a, b]], [0], None, 0.2), smoothed, [a, b])
        self.check(tapeloom.hinge(a, -1.0), lambda x, y: max(0.0, 1 + x), [a, b])
        self.check(tapeloom.hinge_sum([a, b], [1, 1]), lambda x, y: max(0, 1 - x) + max(0, 1 - y), [a, b])
        self.check(tapeloom.hinge_mean([a, b], [1, 1]), lambda x, y: (max(0, 1 - x) + max(0, 1 - y)) / 2, [a, b])
        self.check(tapeloom.binary_cross_entropy(a, 0.25),
                   lambda x, y: -(0.25 * np.log(sigmoid(x)) + 0.75 * np.log(1 - sigmoid(x))), [a, b])
        self.check(tapeloom.binary_cross_entropy_sum([a, b], [1, 0]),
                   lambda x, y: -np.log(sigmoid(x)) - np.log(1 - sigmoid(y)), [a, b])
        self.check(tapeloom.binary_cross_entropy_mean([a, b], [1, 0], weights=None),
                   lambda x, y: (-np.log(sigmoid(x)) - np.log(1 - sigmoid(y))) / 2, [a, b])
        self.check(tapeloom.l2_penalty([a, b], 0.1), lambda x, y: 0.1 * (x**2 + y**2), [a, b])

    def test_softmax(self):
        z = [tapeloom.Value(v) for v in [0.3, -0.8, 1.1]]

        def minus_log(k):
            return lambda *v: -np.log(np.exp(v[k]) / np.exp(v).sum())

        self.check(tapeloom.softmax_cross_entropy(z, 2), minus_log(2), z)
        self.check(tapeloom.softmax_cross_entropy(z, np.int64(1)), minus_log(1), z)
        self.check(tapeloom.softmax_cross_entropy(z, [0.25, 0.75, 0.0], weight=2.0),
                   lambda *v: 2 * (0.25 * minus_log(0)(*v) + 0.75 * minus_log(1)(*v)), z)
        self.check(tapeloom.softmax_cross_entropy(z, tapeloom.Value(0.0)), minus_log(0), z)
        self.check(tapeloom.softmax_cross_entropy_sum([z, z], [0, 2]), lambda *v: minus_log(0)(*v) + minus_log(2)(*v), z)
        self.check(tapeloom.softmax_cross_entropy_mean([z, z], np.array([0, 2])),
                   lambda *v: (minus_log(0)(*v) + minus_log(2)(*v)) / 2, z)
        for wrong in [lambda: tapeloom.softmax_cross_entropy(z, 3), lambda: tapeloom.softmax_cross_entropy([], 0),
                      lambda: tapeloom.softmax_cross_entropy(z, [1.0]),
                      lambda: tapeloom.softmax_cross_entropy_sum([z], [0.5]),
                      lambda: tapeloom.softmax_cross_entropy_sum([z], [-1]),
                      lambda: tapeloom.squared_error_sum([z[0]], [1.0, 2.0])]:
            with self.assertRaises(tapeloom.RecordingError):
                wrong()
        for wrong in [lambda: tapeloom.softmax_cross_entropy(z, 1.5), lambda: tapeloom.softmax_cross_entropy(z, None),
                      lambda: tapeloom.squared_error(1.0), lambda: tapeloom.hinge("a", 1.0)]:
            with self.assertRaises(TypeError):
                wrong()
        self.assertEqual(tapeloom.squared_error(1.0, 3.0), 4.0)

    def test_class_numbers_bound_as_an_input(self):
        x, label = tapeloom.inputs("x", 2), tapeloom.input("label")
        w = [tapeloom.Value(v) for v in [0.1, -0.2, 0.3, 0.4, 0.5, -0.6]]
        logits = [w[2 * k] * x[0] + w[2 * k + 1] * x[1] for k in range(3)]
        executor = tapeloom.compile(tapeloom.batch_mean(tapeloom.softmax_cross_entropy(logits, label)), w, logits)
        generator = np.random.default_rng(4)
        rows, labels = generator.normal(size=(20, 2)), generator.integers(0, 3, size=20)
        executor.bind(x=rows, label=labels.astype(np.float64))
        z = rows @ np.array([v.data for v in w]).reshape(3, 2).T
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        self.assertAlmostEqual(executor.step(), -np.log(p[np.arange(20), labels]).mean(), 12)
        p[np.arange(20), labels] -= 1
        np.testing.assert_allclose(executor.gradients, (p.T @ rows / 20).ravel(), rtol=1e-10)


if __name__ == "__main__":
    unittest.main()
