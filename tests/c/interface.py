"""The C interface by ctypes: interface.py <libtapeloom.so> <c.h>, where programs.cpp has written its programs."""

import ctypes
import math
import re
import sys
import threading
from ctypes import POINTER, Structure, byref, c_char_p, c_double, c_float, c_int32, c_size_t

library = ctypes.CDLL(sys.argv[1])
header = open(sys.argv[2], encoding="utf-8").read()

MISUSE, BIND_ERROR, DATA_ERROR = 1, 8, 10
FLOAT, DOUBLE = 1, 2


class Numbers(Structure):
    _fields_ = [("as_float", POINTER(c_float)), ("as_double", POINTER(c_double)), ("count", c_size_t)]


class AdamOptions(Structure):
    _fields_ = [("size", c_size_t), ("learning_rate", c_double), ("beta1", c_double), ("beta2", c_double),
                ("epsilon", c_double), ("weight_decay", c_double), ("l2", c_int32), ("reserved", c_int32)]


class SgdOptions(Structure):
    _fields_ = [("size", c_size_t), ("learning_rate", c_double), ("momentum", c_double), ("weight_decay", c_double),
                ("nesterov", c_int32), ("reserved", c_int32)]


class Info(Structure):
    _fields_ = [(name, c_size_t) for name in ("parameters", "input_groups", "inputs", "uniform_inputs", "outputs",
                                              "guards", "recorded_samples")]
    _fields_ += [(name, c_int32) for name in ("has_loss", "has_gradients", "has_input_gradients", "exact")]


class Failure(Exception):
    def __init__(self, status):
        super().__init__(library.tapeloom_last_error().decode())
        self.status = status


def call(name, *arguments):
    status = getattr(library, "tapeloom_" + name)(*arguments)
    if status != 0:
        raise Failure(status)


def made(name, *arguments):
    handle = ctypes.c_void_p()
    call(name, *arguments, byref(handle))
    return handle


def fails(status, part, name, *arguments):
    try:
        call(name, *arguments)
    except Failure as failure:
        assert failure.status == status and part in str(failure), (name, failure.status, str(failure))
    else:
        raise AssertionError(name + " succeeds")


def check_symbols():
    """Each function of c.h is there, and under a version of its own."""
    functions = re.findall(r"^TAPELOOM_C_API [^;(]*?(tapeloom_\w+)\(", header, re.MULTILINE)
    assert len(functions) == header.count("\nTAPELOOM_C_API ") > 40, functions
    find = ctypes.CDLL(None).dlvsym
    find.restype = ctypes.c_void_p
    find.argtypes = [ctypes.c_void_p, c_char_p, c_char_p]
    for name in functions:
        assert find(library._handle, name.encode(), b"TAPELOOM_C_1"), name
        assert not find(library._handle, name.encode(), b"TAPELOOM_CXX"), name


def declare():
    library.tapeloom_last_error.restype = c_char_p
    library.tapeloom_version.restype = c_char_p
    library.tapeloom_status_name.restype = c_char_p
    for kind in ("program", "executor", "optimizer"):
        getattr(library, f"tapeloom_{kind}_free").restype = None
        getattr(library, f"tapeloom_{kind}_free").argtypes = [ctypes.c_void_p]
    numbers = [ctypes.c_void_p, c_char_p, ctypes.c_void_p, c_size_t, c_size_t]
    library.tapeloom_executor_bind_float.argtypes = numbers
    library.tapeloom_executor_bind_double.argtypes = numbers
    library.tapeloom_executor_step_range.argtypes = [ctypes.c_void_p, c_size_t, c_size_t, POINTER(c_double)]
    library.tapeloom_program_get_info.argtypes = [ctypes.c_void_p, POINTER(Info), c_size_t]


x = [(1.0, 2.0), (-1.0, 0.5), (0.25, -2.0)]
y = [1.0, -1.0, 2.0]


def loss_and_gradients(p):
    loss, g = 0.0, [0.0, 0.0, 0.0]
    for (x0, x1), target in zip(x, y):
        off = p[0] * x0 + p[1] * x1 + p[2] - target
        loss += off * off / len(x)
        for i, factor in enumerate((x0, x1, 1.0)):
            g[i] += 2 * off * factor / len(x)
    return loss, g


def numbers_of(executor, name):
    numbers = Numbers()
    call("executor_" + name, executor, byref(numbers))
    all_numbers = numbers.as_float or numbers.as_double
    return [all_numbers[i] for i in range(numbers.count)]


def near(numbers, expected, tolerance):
    assert len(numbers) == len(expected), (numbers, expected)
    assert all(abs(a - b) <= tolerance for a, b in zip(numbers, expected)), (numbers, expected)


def check_training(number_type, ctype, bind, tolerance):
    program = made("program_load", b"line.tapeloom", None)
    info = Info()
    call("program_get_info", program, byref(info), ctypes.sizeof(info))
    assert (info.parameters, info.inputs, info.outputs, info.has_loss, info.exact) == (3, 3, 1, 1, 0)
    executor = made("executor_create", program, number_type, None)
    library.tapeloom_program_free(program)
    rows = (ctype * 9)(*[number for (x0, x1), target in zip(x, y) for number in (x0, x1, target)])
    call(bind, executor, None, rows, 9, 0)

    # Adam, then plain gradient descent.
    options = AdamOptions()
    call("adam_options_init", byref(options), ctypes.sizeof(options))
    options.learning_rate = 0.05
    adam = made("adam_create", number_type, byref(options))
    descent = SgdOptions()
    call("sgd_options_init", byref(descent), ctypes.sizeof(descent))
    descent.learning_rate = 0.125
    sgd = made("sgd_create", number_type, byref(descent))
    p, m, v = [0.5, -0.25, 0.125], [0.0] * 3, [0.0] * 3
    loss = c_double()
    for step in range(1, 31):
        expected, g = loss_and_gradients(p)
        call("executor_step", executor, byref(loss))
        near([loss.value], [expected], tolerance)
        near(numbers_of(executor, "gradients"), g, tolerance)
        if step <= 20:
            call("optimizer_update", adam, executor, None)
            for i in range(3):
                m[i] = 0.9 * m[i] + 0.1 * g[i]
                v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i]
                p[i] -= 0.05 * (m[i] / (1 - 0.9**step)) / (math.sqrt(v[i] / (1 - 0.999**step)) + 1e-8)
        else:
            call("optimizer_update", sgd, executor, None)
            p = [p[i] - 0.125 * g[i] for i in range(3)]
        near(numbers_of(executor, "parameters"), p, tolerance)
    call("executor_step_range", executor, 1, 1, None)
    near(numbers_of(executor, "outputs"), [p[0] * x[1][0] + p[1] * x[1][1] + p[2]], tolerance)
    library.tapeloom_optimizer_free(adam)
    library.tapeloom_optimizer_free(sgd)
    library.tapeloom_executor_free(executor)


def check_errors():
    handle = ctypes.c_void_p()
    fails(DATA_ERROR, "missing.tapeloom", "program_load", b"missing.tapeloom", None, byref(handle))
    assert handle.value is None
    fails(MISUSE, "path is NULL", "program_load", None, None, byref(handle))
    program = made("program_load", b"line.tapeloom", None)
    executor = made("executor_create", program, FLOAT, None)
    fails(BIND_ERROR, '"z"', "executor_bind_double", executor, b"z", (c_double * 2)(1, 2), 2, 0)
    assert library.tapeloom_status_name(BIND_ERROR) == b"TAPELOOM_BIND_ERROR"

    # Each thread has its own last error.
    seen = []

    def other():
        seen.append(library.tapeloom_last_error())
        fails(MISUSE, "executor is NULL", "executor_step", None, None)
        seen.append(library.tapeloom_last_error())

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen[0] == b"" and b"executor is NULL" in seen[1], seen
    assert b'"z"' in library.tapeloom_last_error()
    library.tapeloom_executor_free(executor)
    library.tapeloom_program_free(program)
    library.tapeloom_program_free(None)


check_symbols()
declare()
check_training(DOUBLE, c_double, "executor_bind_double", 1e-12)
check_training(FLOAT, c_float, "executor_bind_float", 1e-4)
check_errors()
print("Tapeloom", library.tapeloom_version().decode(), "by ctypes: ok")
