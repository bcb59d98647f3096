"""Takes leaves.safetensors to PyTorch, changes the net there and writes from_torch.safetensors."""

import json
import struct

import numpy
import torch


def load(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    types = {"F32": "<f4", "F64": "<f8"}
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        numbers = numpy.frombuffer(data[begin:end], dtype=types[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(numbers.copy())
    return tensors


def save(path, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        numbers = tensor.detach().contiguous().numpy()
        dtype = {"float32": "F32", "float64": "F64"}[str(numbers.dtype)]
        end = len(data) + numbers.nbytes
        header[name] = {"dtype": dtype, "shape": list(numbers.shape), "data_offsets": [len(data), end]}
        data += numbers.tobytes()
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


class LeafNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(2, 8), torch.nn.Linear(8, 3)])

    def forward(self, x):
        return self.layers[1](torch.tanh(self.layers[0](x)))


tensors = load("leaves.safetensors")
net = LeafNet()
net.load_state_dict({name: tensor for name, tensor in tensors.items() if name.startswith("layers.")})

leaf = (torch.tensor([[11.0, 6.0]], dtype=torch.float64) - tensors["scale.mean"]) / tensors["scale.deviation"]
print(*(f"{score:.3f}" for score in net(leaf.float())[0].tolist()), sep="\n")

with torch.no_grad():
    net.layers[1].bias[2] += 100.0  # now everything is a willow
save("from_torch.safetensors", {**tensors, **net.state_dict()})
