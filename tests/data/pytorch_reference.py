"""The three models of the study in PyTorch, on PBMC3k: the peer for losses and speed.

usage: pytorch_reference.py {ae,vae,vsc} SEED [EPOCHS=200] [report|code] [THREADS]
Made torch-reference.csv with PyTorch 2.15 (report nets, batch 256, beta 2, c 50, alpha 0.5); scores there are
scikit-learn 1.9: k-means with 100 starts on the codes (z, mu) and on TSNE(perplexity=40, init="pca").
"""
import gzip, pathlib, sys, time
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent


def log_normalised(folder=HERE.parent.parent / "data" / "pbmc3k"):
    """Cells x genes, float32, after the study's QC and LogNormalize."""
    genes = [line.split("\t")[1].strip() for line in gzip.open(folder / "genes.tsv.gz", "rt")]
    with gzip.open(folder / "matrix.mtx.gz", "rt") as f:
        header = f.readline()
        while header.startswith("%"):
            header = f.readline()
        n_genes, n_cells, _ = map(int, header.split())
        entries = np.loadtxt(f, dtype=np.int64)
    x = np.zeros((n_cells, n_genes), dtype=np.float32)
    x[entries[:, 1] - 1, entries[:, 0] - 1] = entries[:, 2]
    keep = (x > 0).sum(0) >= 3
    x, names = x[:, keep], np.array(genes)[keep]
    seen, total = (x > 0).sum(1), x.sum(1)
    mito = 100 * x[:, np.char.startswith(names, "MT-")].sum(1) / total
    x = x[(seen > 200) & (seen < 2500) & (mito < 5)]
    return np.log1p(x / x.sum(1, keepdims=True) * 1e4).astype(np.float32)


class Net(nn.Module):
    def __init__(self, kind, d, preset, latent=6):
        super().__init__()
        heads = {"ae": 1, "vae": 2, "vsc": 3}[kind]
        self.kind, wide = kind, preset == "code" and kind != "ae"
        self.relu_first = wide and kind == "vsc"
        h1, h2 = (800, 400) if wide else (128, 32)
        self.e1, self.e2 = nn.Linear(d, h1), nn.Linear(h1, h2)
        branch = (lambda: nn.Linear(h2, latent)) if wide else (lambda: nn.Sequential(nn.Linear(h2, 16), nn.ReLU(), nn.Linear(16, latent)))
        self.heads = nn.ModuleList(branch() for _ in range(heads))
        widths = [latent, 80, 400, 800] if wide else [latent, 16, 32, 128]
        layers = [m for a, b in zip(widths, widths[1:]) for m in (nn.Linear(a, b), nn.ReLU())]
        self.decoder = nn.Sequential(*layers, nn.Linear(widths[-1], d))

    def encode(self, x):
        h = self.e1(x)
        h = F.relu(self.e2(F.relu(h) if self.relu_first else h))
        return [head(h) for head in self.heads]

    def forward(self, x, c=50.0, alpha=0.5):
        out, kl = self.encode(x), x.new_zeros(())
        if self.kind == "ae":
            return self.decoder(out[0]), kl
        mu, log_var = out[:2]
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * log_var)
        slab = 0.5 * (mu**2 + log_var.exp() - 1 - log_var)
        if self.kind == "vae":
            return self.decoder(z), slab.sum()
        gamma = torch.exp(-F.relu(-out[2]))
        z = z * torch.sigmoid(c * (torch.rand_like(mu) - 1 + gamma))
        g = gamma.clamp(1e-6, 1 - 1e-6)
        spike = g * torch.log(g / alpha) + (1 - g) * torch.log((1 - g) / (1 - alpha))
        return self.decoder(z), (g * slab + spike).sum()


def main(kind, seed, epochs=200, preset="report", threads=None, beta=2.0, batch=256):
    if threads:
        torch.set_num_threads(threads)
    x = torch.from_numpy(log_normalised())
    torch.manual_seed(seed)
    net = Net(kind, x.shape[1], preset)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    seconds = []
    for epoch in range(epochs):
        start, total = time.perf_counter(), 0.0
        for rows in torch.randperm(len(x)).split(batch):
            adam.zero_grad()
            x_hat, kl = net(x[rows])
            sse = F.mse_loss(x_hat, x[rows], reduction="sum")
            (sse + beta * kl).backward()
            adam.step()
            total += sse.item()
        seconds.append(time.perf_counter() - start)
    print(f"{kind} seed {seed} {preset} {epochs} epochs: train_sse_per_cell {total / len(x):.2f}, "
          f"median {np.median(seconds):.4f} s/epoch, {sum(seconds):.1f} s, {torch.get_num_threads()} threads")
    return net, x


if __name__ == "__main__":
    a = sys.argv[1:]
    main(a[0], int(a[1]), int(a[2]) if len(a) > 2 else 200, a[3] if len(a) > 3 else "report", int(a[4]) if len(a) > 4 else None)
