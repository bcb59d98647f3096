"""Runs the program that run.c saves: run.py <libtapeloom.so>"""

import ctypes
import sys


class Numbers(ctypes.Structure):  # tapeloom_numbers
    _fields_ = [("as_float", ctypes.POINTER(ctypes.c_float)), ("as_double", ctypes.POINTER(ctypes.c_double)),
                ("count", ctypes.c_size_t)]


tapeloom = ctypes.CDLL(sys.argv[1])
tapeloom.tapeloom_last_error.restype = ctypes.c_char_p
tapeloom.tapeloom_executor_free.argtypes = tapeloom.tapeloom_program_free.argtypes = [ctypes.c_void_p]
FLOAT = 1  # TAPELOOM_FLOAT


def call(function, *arguments):
    if function(*arguments) != 0:
        raise RuntimeError(tapeloom.tapeloom_last_error().decode())


program, executor, outputs = ctypes.c_void_p(), ctypes.c_void_p(), Numbers()
rows = (ctypes.c_float * 6)(0, 1, 1, 1, 1, 0)  # must be kept while they are bound
call(tapeloom.tapeloom_program_load, b"trained.tapeloom", None, ctypes.byref(program))
call(tapeloom.tapeloom_executor_create, program, FLOAT, None, ctypes.byref(executor))
call(tapeloom.tapeloom_executor_bind_float, executor, b"x", rows, ctypes.c_size_t(6), ctypes.c_size_t(0))
call(tapeloom.tapeloom_executor_bind_float, executor, b"y", rows, ctypes.c_size_t(3), ctypes.c_size_t(0))
call(tapeloom.tapeloom_executor_step, executor, None)
call(tapeloom.tapeloom_executor_outputs, executor, ctypes.byref(outputs))
print(" ".join(f"{outputs.as_float[i]:.2f}" for i in range(outputs.count)))
tapeloom.tapeloom_executor_free(executor)
tapeloom.tapeloom_program_free(program)
