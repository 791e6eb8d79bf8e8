"""Writes counts.json: what tiny scVI, LDVAE and DCA nets give in PyTorch, in float64, from the same initial values,
shuffles, noise and dropout masks (streams of `parity.py`).

usage: python counts.py > counts.json        (pip install torch numpy blake3 cryptography)
Made with PyTorch 2.15, numpy 2.4, blake3 1.0, cryptography 50; float64, CPU.
"""
import json, math
import numpy as np, torch, torch.nn.functional as F
from parity import Stream, shortest

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
CELLS, GENES, BATCH, EPOCHS, SEED = 30, 40, 16, 5, 11
STEPS = EPOCHS * math.ceil(CELLS / BATCH)


def counts():
    rng = np.random.default_rng(1)
    x = rng.poisson(rng.gamma(0.5, 4.0, GENES) * rng.gamma(2.0, 0.5, (CELLS, 1)), (CELLS, GENES))
    x[:, 5] = 0  # a gene nobody expresses
    x[x.sum(1) == 0, 0] = 1  # a cell without counts has no size to take the logarithm of
    x[3, 7] = 60  # beyond what is multiplied out
    return x.astype(np.float64)


class Norm:
    """BatchNorm1d(eps=1e-3, momentum=0.01), with or without a scale."""

    def __init__(self, net, name, width, has_scale):
        self.scale = net.param(f"{name}.scale", torch.ones(width)) if has_scale else torch.ones(width)
        self.shift = net.param(f"{name}.shift", torch.zeros(width))
        self.mean, self.var = torch.zeros(width), torch.ones(width)

    def __call__(self, x, training):
        return F.batch_norm(x, self.mean, self.var, self.scale, self.shift, training, 0.01, 1e-3)


class Net:
    def __init__(self, spec):
        self.spec, self.params, self.norms = spec, {}, {}
        self.has_scale = spec["kind"] != "dca"
        self.encoder = self.stack("encoder", [GENES, *spec["encoder"]])
        last, latent = spec["encoder"][-1], spec["latent_dim"]
        if spec["kind"] == "dca":
            self.heads = [self.linear("code.0", last, latent)]
            self.norms["code.0"] = Norm(self, "code.0.norm", latent, False)
        else:
            self.heads = [self.linear("mu.0", last, latent), self.linear("log_var.0", last, latent)]
        widths = [latent, *spec.get("decoder", [])]
        self.decoder = self.stack("decoder", widths)
        output = f"decoder.{len(widths) - 1}"
        if spec["kind"] == "ldvae":
            self.output = (self.linear(output, widths[-1], GENES, has_bias=False)[0], None)
            self.norms["logits"] = Norm(self, f"{output}.norm", GENES, True)
        else:
            self.output = self.linear(output, widths[-1], GENES)
        r = torch.zeros(GENES) if spec["kind"] == "dca" else torch.tensor(Stream("init log_dispersion", 0).normals(GENES))
        self.r = self.param("log_dispersion", r.double())

    def param(self, name, value):
        self.params[name] = value.clone().double().requires_grad_(True)
        return self.params[name]

    def linear(self, name, inputs, outputs, has_bias=True):
        draw = lambda what, n: Stream(f"init {name}.{what}", 0).symmetric(n, 1 / math.sqrt(inputs))
        weight = draw("weight", inputs * outputs)
        weight = weight.reshape(inputs, outputs).T if name == "encoder.0" else weight.reshape(outputs, inputs)
        bias = self.param(f"{name}.bias", torch.tensor(draw("bias", outputs))) if has_bias else None
        return self.param(f"{name}.weight", torch.tensor(weight.copy())), bias

    def stack(self, name, widths):
        layers = []
        for i, (a, b) in enumerate(zip(widths, widths[1:])):
            layers.append((f"{name}.{i}", self.linear(f"{name}.{i}", a, b)))
            self.norms[f"{name}.{i}"] = Norm(self, f"{name}.{i}.norm", b, self.has_scale)
        return layers

    def tail(self, name, x, step, dropout):
        h = F.relu(self.norms[name](x, step is not None))
        if step is None or dropout == 0:
            return h
        draws = torch.tensor(Stream(f"dropout {name}", step).uniforms(h.numel())).reshape(h.shape)
        return h * torch.where(draws < np.float32(dropout), 0.0, 1 / (1 - dropout))

    def run(self, x, layers, step, dropout):
        for name, (w, b) in layers:
            x = self.tail(name, F.linear(x, w, b), step, dropout)
        return x

    def input(self, x):
        if self.spec["kind"] != "dca":
            return torch.log1p(x)
        size = torch.tensor(ALL.sum(1) / np.median(ALL.sum(1)))
        logs = torch.log1p(torch.tensor(ALL) / size[:, None])
        sd = logs.std(0)
        sd[sd == 0] = 1
        return (torch.log1p(x / self.size(x)) - logs.mean(0)) / sd

    def size(self, x):
        total = x.sum(1, keepdim=True)
        return total / float(np.median(ALL.sum(1))) if self.spec["kind"] == "dca" else total

    def encode(self, x, step):
        h = self.run(self.input(x), self.encoder, step, self.spec["dropout"])
        return [F.linear(h, *head) for head in self.heads]

    def nll(self, z, x, step):
        """Sum over genes and cells."""
        dropout = self.spec["dropout"] if self.spec["kind"] == "dca" else 0
        if self.spec["kind"] == "dca":
            z = self.tail("code.0", z, step, dropout)
        h = self.run(z, self.decoder, step, dropout)
        logits = F.linear(h, *self.output)
        if self.spec["kind"] == "ldvae":
            logits = self.norms["logits"](logits, step is not None)
        mu = self.size(x) * (logits.exp() if self.spec["kind"] == "dca" else torch.softmax(logits, -1))
        theta = self.r.exp()
        log_nb = (x * (torch.log(mu) - torch.log(theta + mu)) + theta * (self.r - torch.log(theta + mu))
                  + torch.lgamma(x + theta) - torch.lgamma(theta) - torch.lgamma(x + 1))
        return -log_nb.sum()

    def loss(self, x, step):
        out = self.encode(x, step)
        if self.spec["kind"] == "dca":
            return self.nll(out[0], x, step), torch.zeros(())
        mu, var = out[0], out[1].exp() + 1e-4
        eps = torch.tensor(Stream("noise epsilon", step).normals(mu.numel())).reshape(mu.shape)
        kl = 0.5 * (mu**2 + var - 1 - var.log()).sum()
        return self.nll(mu + var.sqrt() * eps, x, step), kl

    def beta(self, step):
        return self.spec.get("beta", 0) * min(1.0, step / STEPS / self.spec.get("warmup", 1e-9))


ALL = counts()


def run(spec):
    x, net = torch.tensor(ALL), Net(spec)
    total = lambda x, step: (lambda nll, kl: (nll, kl, (nll + net.beta(step) * kl) / len(x)))(*net.loss(x, step))
    saved = {name: (n.mean.clone(), n.var.clone()) for name, n in net.norms.items()}
    nll, kl, loss = total(x[:BATCH], 0)
    loss.backward()
    for name, (mean, var) in saved.items():  # looking at gradients is no step
        net.norms[name].mean, net.norms[name].var = mean, var
    as_ours = lambda name, g: (g.T if name == "encoder.0.weight" else g).reshape(-1).tolist()
    gradients = {name: as_ours(name, p.grad) for name, p in net.params.items()}
    first = dict(nll=nll.item(), kl=kl.item())
    adam = torch.optim.Adam(net.params.values(), lr=spec["learning_rate"], eps=spec["adam_eps"],
                            weight_decay=spec["weight_decay"])
    curve, step = [], 0
    for epoch in range(1, EPOCHS + 1):
        sums = [0.0, 0.0]
        for rows in torch.tensor(Stream("shuffle", epoch).permutation(CELLS)).split(BATCH):
            adam.zero_grad()
            nll, kl, loss = total(x[rows], step)
            loss.backward()
            adam.step()
            step += 1
            sums = [sums[0] + nll.item(), sums[1] + kl.item()]
        curve.append([value / CELLS for value in sums])
    with torch.no_grad():
        codes = net.encode(x, None)[0]
        nll = net.nll(codes, x, None).item() / CELLS
    return dict(first_batch=first, gradients=gradients, curve=curve, codes=codes.reshape(-1).tolist(), nll_per_cell=nll)


COMMON = dict(learning_rate=1e-2, adam_eps=0.01, weight_decay=1e-2)
MODELS = {
    "scvi": dict(kind="scvi", latent_dim=3, encoder=[8, 6], decoder=[7], dropout=0.2, beta=1.0, warmup=0.5, **COMMON),
    "ldvae": dict(kind="ldvae", latent_dim=3, encoder=[8], dropout=0.0, beta=1.0, warmup=1.0, **COMMON),
    "dca": dict(kind="dca", latent_dim=3, encoder=[8], decoder=[7, 9], dropout=0.1,
                learning_rate=1e-2, adam_eps=1e-4, weight_decay=0.0),
}

if __name__ == "__main__":
    result = dict(cells=CELLS, genes=GENES, batch=BATCH, epochs=EPOCHS, seed=SEED, counts=ALL.ravel().astype(int).tolist(),
                  specs=MODELS, models={name: run(spec) for name, spec in MODELS.items()})
    print(json.dumps(shortest(result), separators=(",", ":")))
