"""Writes annealing.json: five steps of tiny variational nets in PyTorch whose beta, c and lambda change step by step.

Nets, streams and Adam are those of parity.py; here one batch holds all cells, so that an epoch is a step. Schedules
and free bits are written down from their papers (Fu et al. 2019, Kingma et al. 2016, Tonolini et al. 2019).

usage: python annealing.py > annealing.json        (pip install torch numpy blake3 cryptography)
Made with PyTorch 2.15, numpy 2.4, blake3 1.0, cryptography 50; float32, CPU.
"""
import json, math
import torch, torch.nn.functional as F
from parity import CELLS, GENES, LEARNING_RATE, SEED, Net, Stream, matrix, shortest

STEPS = 5


def share(schedule, t, total=STEPS):
    if schedule == "constant":
        return 1.0
    cycles, ramp = schedule.get("cycles", 1), schedule.get("ramp", schedule.get("warmup"))
    tau = (t % math.ceil(total / cycles)) / (total / cycles)
    return min(1.0, tau / ramp)


def loss(net, x, t):
    """(what the step descends, squared error, KL, its spike part), each a sum over the cells."""
    spec, out = net.spec, net.encode(x)
    mu, log_var = out[:2]
    shape, gated = mu.shape, len(out) == 3
    if gated:
        lam = share(spec["lambda_schedule"], t)
        mu, log_var = lam * mu, lam * log_var
    eps = torch.tensor(Stream("noise epsilon", t).normals(mu.numel())).reshape(shape)
    z = mu + eps * torch.exp(0.5 * log_var)
    kl, spike = 0.5 * (mu**2 + log_var.exp() - 1 - log_var), torch.zeros(shape)
    if gated:
        eta = torch.tensor(Stream("noise eta", t).uniforms(mu.numel())).reshape(shape)
        gamma, alpha = net.gamma(out[2]), spec["alpha"]
        start = spec.get("c_start", spec["c"])
        c = start + (spec["c"] - start) * share(spec["c_schedule"], t)
        z = z * torch.sigmoid(c * (eta - 1 + gamma))
        g = gamma.clamp(1e-6, 1 - 1e-6)
        spike = g * torch.log(g / alpha) + (1 - g) * torch.log((1 - g) / (1 - alpha))
        kl = g * kl + spike
    sse = F.mse_loss(net.run(z, net.decoder, False), x, reduction="sum")
    counted = torch.clamp(kl.mean(0), min=spec["free_bits"]).sum() * len(x)
    beta = spec["beta"] * share(spec["beta_schedule"], t)
    return sse + beta * counted, sse, kl.sum(), spike.sum()


def run(config):
    net_spec = config["net"]
    heads = ["mu", "log_var"] + (["spike"] if "gate" in config else [])
    net = Net({"lambda_schedule": "constant", "c_schedule": "constant", **config, **net_spec, "heads": heads})
    x, adam = torch.tensor(matrix()), torch.optim.Adam(net.params.values(), lr=LEARNING_RATE)
    curves = dict(loss=[], sse=[], kl=[], kl_spike=[])
    for t in range(STEPS):
        # The order of the cells decides which of them gets which noise.
        rows = torch.tensor(Stream("shuffle", t + 1).permutation(CELLS))
        adam.zero_grad()
        parts = loss(net, x[rows], t)
        parts[0].backward()
        adam.step()
        for curve, part in zip(curves.values(), parts):
            curve.append(part.item() / CELLS)
    return dict(config=config, **curves)


NET = dict(latent_dim=3, encoder=[8, 6], branch=[5], decoder=[5, 6, 7], first_activation="none")
VAE = dict(kind="beta-vae", net=NET, beta=3.0, beta_schedule="constant", free_bits=0.0, encode="mean")
VSC = dict(VAE, kind="beta-vsc", alpha=0.3, c=50.0, gate="exp-relu")
MODELS = {
    "warm-up": dict(VAE, beta_schedule=dict(warmup=0.6)),
    "cycles and free bits": dict(VAE, beta_schedule=dict(cycles=2, ramp=0.5), free_bits=0.02),
    "c and lambda": dict(VSC, beta_schedule=dict(warmup=1.0), c=200.0, c_start=50.0, c_schedule=dict(warmup=0.8),
                         lambda_schedule=dict(warmup=0.5)),
    "sigmoid gate with all": dict(VSC, gate="sigmoid", beta_schedule=dict(warmup=0.4), free_bits=0.05, c=120.0,
                                  c_start=20.0, c_schedule=dict(cycles=2, ramp=1.0), lambda_schedule=dict(warmup=0.9)),
}

if __name__ == "__main__":
    result = dict(cells=CELLS, genes=GENES, seed=SEED, steps=STEPS, learning_rate=LEARNING_RATE,
                  matrix=matrix().ravel().tolist(), models={name: run(config) for name, config in MODELS.items()})
    print(json.dumps(shortest(result), separators=(",", ":")))
