"""Holds Tapeloom's files, outputs, gradients and training against PyTorch's and NumPy's.

exchange.py <the program of exchange.cpp> <directory>
"""

import json
import os
import struct
import subprocess
import sys

import numpy
import torch


def read_safetensors(path):
    """By the format's specification: the length of the header, the header, the data."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    data = content[8 + length :]
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        number_type = {"F32": "<f4", "F64": "<f8"}[entry["dtype"]]
        numbers = numpy.frombuffer(data[begin:end], dtype=number_type).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(numbers.copy())
    return tensors


def write_safetensors(path, tensors):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in tensors.items():
        numbers = tensor.detach().contiguous().numpy()
        begin = len(data)
        data += numbers.tobytes()
        dtype = {"float32": "F32", "float64": "F64", "int64": "I64"}[str(numbers.dtype)]
        header[name] = {"dtype": dtype, "shape": list(numbers.shape), "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(5, 7), torch.nn.Linear(7, 3)])

    def forward(self, x):
        return self.layers[1](torch.tanh(self.layers[0](x)))


def largest_difference(ours, theirs):
    assert ours.keys() == theirs.keys(), (ours.keys(), theirs.keys())
    for name in ours:
        assert ours[name].shape == theirs[name].shape, name
        assert ours[name].dtype == theirs[name].dtype, name
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours)


def train(net, x, y, make, clip=None):
    optimizer = make(net.parameters())
    for _ in range(4):
        for first in range(0, len(x), 5):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(net(x[first : first + 5]), y[first : first + 5])
            loss.backward()
            if clip is not None:
                clip(net.parameters())
            optimizer.step()


RUNS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.01),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.05, weight_decay=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.1),
    "clipped": lambda p: torch.optim.SGD(p, lr=0.1),
    "clamped": lambda p: torch.optim.SGD(p, lr=0.1),
}
CLIPS = {
    "clipped": lambda p: torch.nn.utils.clip_grad_norm_(p, 0.2),
    "clamped": lambda p: torch.nn.utils.clip_grad_value_(p, 0.02),
}


def check(program, directory, type_name):
    torch.set_default_dtype({"float": torch.float32, "double": torch.float64}[type_name])
    bound = {"float": 1e-5, "double": 1e-13}[type_name]
    directory = os.path.join(directory, type_name)
    os.makedirs(directory, exist_ok=True)
    subprocess.run([program, "write", type_name, directory], check=True)

    def path(name):
        return os.path.join(directory, name)

    def report(what, difference, limit=bound):
        print(f"{type_name}: {what}: largest difference {difference:.1e}")
        assert difference <= limit, what

    x, y = numpy.load(path("x.npy")), numpy.load(path("y.npy"))
    assert y.flags.f_contiguous and x.flags.c_contiguous
    x, y = torch.from_numpy(x), torch.from_numpy(numpy.ascontiguousarray(y))
    initial = read_safetensors(path("initial.safetensors"))
    net = Net()
    net.load_state_dict(initial)
    report("outputs", float((net(x) - torch.from_numpy(numpy.load(path("outputs.npy")))).abs().max()))
    torch.nn.functional.mse_loss(net(x), y).backward()
    gradients = {name: parameter.grad for name, parameter in net.named_parameters()}
    report("gradients", largest_difference(read_safetensors(path("gradients.safetensors")), gradients))

    for name, make in RUNS.items():
        net = Net()
        net.load_state_dict(initial)
        train(net, x, y, make, CLIPS.get(name))
        # PyTorch adds 1e-6 to the norm it divides by.
        limit = 1e-5 if name == "clipped" else bound
        ours = read_safetensors(path(f"{name}.safetensors"))
        report(f"weights after {name}", largest_difference(ours, net.state_dict()), limit)

    torch.manual_seed(1)
    net = Net()
    # As a BatchNorm layer has it, which nobody asks for.
    write_safetensors(path("torch.safetensors"), {**net.state_dict(), "num_batches_tracked": torch.tensor(3)})
    numpy.save(path("torch_outputs.npy"), net(x).detach().numpy())
    numpy.save(path("x.npy"), numpy.asfortranarray(x.numpy()))
    numpy.save(path("y.npy"), y.numpy().astype(">f8"))
    numpy.savez(path("stored.npz"), x=x.numpy(), names=numpy.array(["a", "b"]))
    numpy.savez_compressed(path("packed.npz"), y=y.numpy(), half=numpy.array([0.5, -65504], dtype=numpy.float16))
    subprocess.run([program, "read", type_name, directory], check=True)


if __name__ == "__main__":
    for number_type in ("float", "double"):
        check(sys.argv[1], sys.argv[2], number_type)
    print(f"agrees with PyTorch {torch.__version__} and NumPy {numpy.__version__}")
