"""Synthetic weights and the synthetic picture of test/golden/README.md, for the scripts beside this one."""
import numpy
import torch

MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]
M32 = 0xFFFFFFFF


def fnv1a32(text):
    h = 0x811C9DC5
    for byte in text.encode():
        h = ((h ^ byte) * 0x01000193) & M32
    return h


def values(name, shape, mean, amplitude):
    n = numpy.arange(1, int(numpy.prod(shape)) + 1, dtype=numpy.uint64)
    z = (numpy.uint64(fnv1a32(name)) + n * numpy.uint64(0x9E3779B9)) & numpy.uint64(M32)
    z = ((z ^ (z >> numpy.uint64(16))) * numpy.uint64(0x21F0AAAD)) & numpy.uint64(M32)
    z = ((z ^ (z >> numpy.uint64(15))) * numpy.uint64(0x735A2D97)) & numpy.uint64(M32)
    z = z ^ (z >> numpy.uint64(15))
    u = z.astype(numpy.float64) / 2.0**31 - 1
    return (mean + amplitude * u).astype(numpy.float32).reshape(shape)


def spread(name, shape):
    """Mean and amplitude that keep activations about as large as they come."""
    if name == "logit_scale":
        return 4.605170185988092, 0.0
    if name.endswith("gamma"):
        return 0.6, 0.5
    if name.endswith("running_var"):
        return 1.0, 0.3
    if name.endswith("running_mean"):
        return 0.0, 0.1
    if "layer" in name and name.endswith("bn3.weight"):
        return 0.3, 0.1  # the end of a residual branch: with 1, 36 blocks in a row grow a hundredfold
    if name.endswith("weight") and len(shape) == 1:
        return 1.0, 0.2
    if name.endswith("bias"):
        return 0.0, 0.1
    if len(shape) < 2 or "embedding" in name:
        return 0.0, 0.3
    fan_in = shape[0] if name.endswith("proj") or name == "text_projection" else int(numpy.prod(shape[1:]))
    return 0.0, float(numpy.sqrt(3.0 / fan_in))


def fill(module, prefix=""):
    """Fills a module in float64; returns its tensors for manifest.json. The names that give the values begin with `prefix`."""
    tensors = []
    state = module.state_dict()
    for key, tensor in state.items():
        if key.endswith(("attn_mask", "num_batches_tracked")):
            continue
        name, shape = prefix + key, list(tensor.shape)
        mean, amplitude = spread(name, shape)
        tensors.append({"name": name, "shape": shape, "mean": mean, "amplitude": amplitude})
        state[key] = torch.tensor(values(name, shape, mean, amplitude).astype(numpy.float64))
    module.load_state_dict(state)
    return tensors


def picture(size):
    """The picture, normalized: [1, 3, size, size]."""
    y, x, c = numpy.mgrid[0:size, 0:size, 0:3]
    bytes_ = (3 * x + 5 * y + 71 * c + ((x * y) >> 4) + ((x * x) >> 5)) & 255
    return torch.tensor((bytes_ / 255.0 - MEAN) / STD).permute(2, 0, 1)[None]
