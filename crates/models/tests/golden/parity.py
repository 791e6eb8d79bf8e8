"""Writes parity.json: what tiny AE, beta-VAE and beta-VSC nets give in PyTorch, and a tiny PCA in numpy.

The random streams are written down here a second time (BLAKE3 key, ChaCha20 key stream, Box-Muller, Fisher-Yates),
so that initial weights, shuffles and noise are held to an independent implementation too.

usage: python parity.py > parity.json        (pip install torch numpy blake3 cryptography)
Made with PyTorch 2.15, numpy 2.4, blake3 1.0, cryptography 50; float32, CPU.
"""
import json, math, struct
import numpy as np, torch, torch.nn.functional as F
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

torch.set_num_threads(1)
CELLS, GENES, BATCH, EPOCHS, SEED = 30, 40, 16, 5, 11
LEARNING_RATE = 1e-2


class Stream:
    def __init__(self, purpose, part, seed=SEED):
        key = blake3(f"latentsweep stream v1\n{purpose}\n{seed}\n".encode()).digest()
        nonce = struct.pack("<QQ", 0, part)  # block counter, stream number
        self.cipher = Cipher(algorithms.ChaCha20(key, nonce), mode=None).encryptor()

    def words(self, n):
        return np.frombuffer(self.cipher.update(bytes(4 * n)), dtype="<u4")

    def symmetric(self, n, bound):
        unit = (self.words(n) >> 8).astype(np.float32) / np.float32(2**24)
        return ((2.0 * unit.astype(np.float64) - 1.0) * bound).astype(np.float32)

    def uniforms(self, n):
        unit = (self.words(n) >> 8).astype(np.float32) / np.float32(2**24)
        return np.minimum(unit + np.float32(2**-25), np.float32(1 - 2**-24))

    def normals(self, n):
        w = self.words(2 * ((n + 1) // 2)).astype(np.float64).reshape(-1, 2)
        radius, angle = np.sqrt(-2 * np.log((w[:, 0] + 1) / 2**32)), 2 * np.pi * (w[:, 1] / 2**32)
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).ravel()[:n].astype(np.float32)

    def permutation(self, n):
        order = list(range(n))
        for last in range(n - 1, 0, -1):
            low, high = (int(word) for word in self.words(2))
            other = ((low | high << 32) * (last + 1)) >> 64
            order[last], order[other] = order[other], order[last]
        return order


def matrix():
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(0.5, 1.0, GENES) * rng.gamma(2.0, 0.5, (CELLS, 1)), (CELLS, GENES))
    counts[rng.integers(CELLS)] = 0  # a cell without counts
    counts[:, rng.integers(GENES)] = 0  # a gene nobody expresses
    return np.log1p(counts).astype(np.float32)


class Net:
    """Parameters by our names, in PyTorch's layout (outputs x inputs), the first and last layers included."""

    def __init__(self, spec):
        self.spec, self.params = spec, {}
        self.encoder = self.stack("encoder", [GENES, *spec["encoder"]])
        trunk, latent = spec["encoder"][-1], spec["latent_dim"]
        self.heads = [self.stack(name, [trunk, *spec["branch"], latent]) for name in spec["heads"]]
        self.decoder = self.stack("decoder", [latent, *spec["decoder"], GENES])

    def stack(self, name, widths):
        return [self.linear(f"{name}.{i}", a, b) for i, (a, b) in enumerate(zip(widths, widths[1:]))]

    def linear(self, name, inputs, outputs):
        gene_major = name in ("encoder.0", f"decoder.{len(self.spec['decoder'])}")
        draw = lambda what, n: Stream(f"init {name}.{what}", 0).symmetric(n, 1 / math.sqrt(inputs))
        weight = draw("weight", inputs * outputs)
        # The two gene layers are drawn gene by gene: the encoder's is the transpose of PyTorch's layout.
        weight = weight.reshape(inputs, outputs).T if gene_major and name == "encoder.0" else weight.reshape(outputs, inputs)
        pair = [torch.tensor(weight.copy(), requires_grad=True), torch.tensor(draw("bias", outputs), requires_grad=True)]
        self.params[f"{name}.weight"], self.params[f"{name}.bias"] = pair
        return pair

    @staticmethod
    def run(x, layers, relu_last):
        for i, (w, b) in enumerate(layers):
            x = F.linear(x, w, b)
            x = F.relu(x) if relu_last or i + 1 < len(layers) else x
        return x

    def encode(self, x):
        h = F.linear(x, *self.encoder[0])
        h = F.relu(h) if self.spec["first_activation"] == "relu" else h
        h = self.run(h, self.encoder[1:], True)
        return [self.run(h, head, False) for head in self.heads]

    def gamma(self, v):
        return torch.exp(-F.relu(-v)) if self.spec["gate"] == "exp-relu" else torch.sigmoid(v)

    def loss(self, x, step):
        """(sum of squared errors, sum of KL) of a batch."""
        out, spec = self.encode(x), self.spec
        kl, shape = torch.zeros(()), out[0].shape
        if len(out) == 1:
            z = F.relu(out[0]) if spec["latent_activation"] == "relu" else out[0]
        else:
            mu, log_var = out[:2]
            eps = torch.tensor(Stream("noise epsilon", step).normals(mu.numel())).reshape(shape)
            z = mu + eps * torch.exp(0.5 * log_var)
            slab = 0.5 * (mu**2 + log_var.exp() - 1 - log_var)
            if len(out) == 2:
                kl = slab.sum()
            else:
                eta = torch.tensor(Stream("noise eta", step).uniforms(mu.numel())).reshape(shape)
                gamma, alpha = self.gamma(out[2]), spec["alpha"]
                z = z * torch.sigmoid(spec["c"] * (eta - 1 + gamma))
                g = gamma.clamp(1e-6, 1 - 1e-6)
                kl = (g * slab + g * torch.log(g / alpha) + (1 - g) * torch.log((1 - g) / (1 - alpha))).sum()
        return F.mse_loss(self.run(z, self.decoder, False), x, reduction="sum"), kl

    def codes(self, x):
        out = self.encode(x)
        if len(out) == 1:
            return F.relu(out[0]) if self.spec["latent_activation"] == "relu" else out[0]
        return out[0] if len(out) == 2 else self.gamma(out[2]) * out[0]


def run(spec):
    x, net = torch.tensor(matrix()), Net(spec)
    adam = torch.optim.Adam(net.params.values(), lr=LEARNING_RATE)
    sse, kl = net.loss(x[:BATCH], 0)
    (sse + spec["beta"] * kl).backward()
    as_ours = lambda name, g: (g.T if name == "encoder.0.weight" else g).reshape(-1).tolist()
    gradients = {name: as_ours(name, p.grad) for name, p in net.params.items()}
    first = dict(sse=sse.item(), kl=kl.item())
    curve, step = [], 0
    for epoch in range(1, EPOCHS + 1):
        sums = [0.0, 0.0]
        for rows in torch.tensor(Stream("shuffle", epoch).permutation(CELLS)).split(BATCH):
            adam.zero_grad()
            sse, kl = net.loss(x[rows], step)
            (sse + spec["beta"] * kl).backward()
            adam.step()
            step += 1
            sums = [sums[0] + sse.item(), sums[1] + kl.item()]
        curve.append([value / CELLS for value in sums])
    with torch.no_grad():
        codes = net.codes(x)
        sse = F.mse_loss(net.run(codes, net.decoder, False), x, reduction="sum").item() / CELLS
    return dict(first_batch=first, gradients=gradients, curve=curve, codes=codes.reshape(-1).tolist(), sse_per_cell=sse)


def spec(name, heads, **changes):
    base = dict(latent_dim=3, encoder=[8, 6], branch=[5], decoder=[5, 6, 7], first_activation="none", heads=heads,
                latent_activation="none", gate="exp-relu", beta=2.0, alpha=0.5, c=50.0)
    return name, {**base, **changes}


MODELS = dict([
    spec("ae", ["code"]),
    spec("ae-relu", ["code"], latent_activation="relu", first_activation="relu"),
    spec("beta-vae", ["mu", "log_var"], beta=1.5),
    spec("beta-vsc", ["mu", "log_var", "spike"]),
    spec("beta-vsc-sigmoid", ["mu", "log_var", "spike"], gate="sigmoid", branch=[], alpha=0.2, c=20.0, beta=0.5,
         first_activation="relu", decoder=[5, 20]),
])


def pca(k=3):
    x = matrix().astype(np.float64)
    centred = x - x.mean(0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    sign = np.sign(vt[np.arange(k), np.abs(vt[:k]).argmax(1)])
    return dict(scores=(u[:, :k] * s[:k] * sign).ravel().tolist(), sse_per_cell=float((s[k:] ** 2).sum() / CELLS))


def streams():
    return dict(words=Stream("epsilon", 3, 7).words(4).tolist(), unit=Stream("u", 0, 2**64 - 1).uniforms(3).tolist(),
                symmetric=Stream("s", 2**40, 0).symmetric(3, 0.25).tolist(),
                normals=Stream("n", 1, 5).normals(5).tolist(), permutation=Stream("shuffle", 1, 0).permutation(10))


def shortest(value):
    """Floats with the nine digits that tell float32 apart."""
    if isinstance(value, dict):
        return {key: shortest(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shortest(item) for item in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


if __name__ == "__main__":
    result = dict(streams=streams(), cells=CELLS, genes=GENES, batch=BATCH, epochs=EPOCHS, seed=SEED,
                  learning_rate=LEARNING_RATE, matrix=matrix().ravel().tolist(), pca=pca(), specs=MODELS,
                  models={name: run(model) for name, model in MODELS.items()})
    print(json.dumps(shortest(result), separators=(",", ":")))
