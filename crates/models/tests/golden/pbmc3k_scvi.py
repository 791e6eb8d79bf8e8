"""What scvi-tools' own SCVI and LinearSCVI reach on PBMC3k: the figures of `it/pbmc3k_counts.rs`.

Raw counts of the 2,638 cells after quality control, Seurat's 2,000 most variable genes, a tenth of the cells held out
(the split of `train::held_out` at each seed), defaults but for the number of epochs, over which the KL term is warmed
up. Reconstruction: −log NB summed over genes at the posterior mean, mean over cells.

usage, from the workspace's root: python crates/models/tests/golden/pbmc3k_scvi.py EPOCHS SEED...
Made with scvi-tools 1.4.2, PyTorch 2.15 (CPU), AnnData 0.12; two threads.
"""
import csv, gzip, math, sys, time, warnings

import anndata, numpy as np, scipy.io, scvi, torch

from parity import Stream

warnings.filterwarnings("ignore")


def dataset():
    folder = "data/pbmc3k/"
    counts = scipy.io.mmread(gzip.open(folder + "matrix.mtx.gz")).tocsr()  # genes x cells
    barcodes = [line.split()[0] for line in gzip.open(folder + "barcodes.tsv.gz", "rt")]
    kept = {row["barcode"] for row in csv.DictReader(open(folder + "labels.csv"))}
    counts = counts[np.asarray((counts > 0).sum(1)).ravel() >= 3]
    counts = counts[:, [barcode in kept for barcode in barcodes]]
    genes = list(csv.DictReader(gzip.open("crates/cells/tests/golden/hvg_vst.csv.gz", "rt")))
    chosen = [position for position, row in enumerate(genes) if row["rank"]]
    assert counts.shape == (13714, 2638) and len(chosen) == 2000, (counts.shape, len(chosen))
    return anndata.AnnData(counts[chosen].T.tocsr().astype(np.float32))


def split(seed, cells, fraction=0.1):
    order = np.array(Stream("validation split", 0, seed).permutation(cells))
    held_out = max(1, round(fraction * cells))
    return np.sort(order[held_out:]), np.sort(order[:held_out])


@torch.inference_mode()
def reconstruction(model, adata, cells):
    """Mean over `cells` of -log NB at the posterior mean, and of the KL term."""
    module, nll, kl = model.module.eval(), 0.0, 0.0
    for tensors in model._make_data_loader(adata=adata, indices=cells, batch_size=128):
        inferred = module.inference(**module._get_inference_input(tensors))
        posterior = inferred["qz"]
        inferred["z"] = posterior.loc
        generated = module.generative(**module._get_generative_input(tensors, inferred))
        nll -= generated["px"].log_prob(tensors["X"]).sum().item()
        kl += torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0, 1)).sum().item()
    return nll / len(cells), kl / len(cells)


def run(kind, adata, epochs, seed):
    scvi.settings.seed = seed
    train, held_out = split(seed, adata.n_obs)
    kind.setup_anndata(adata)
    likelihood = dict(gene_likelihood="nb")
    model = kind(adata, **likelihood) if kind is scvi.model.SCVI else kind(adata, use_observed_lib_size=True)
    start = time.perf_counter()
    model.train(max_epochs=epochs, accelerator="cpu", enable_progress_bar=False, logger=False,
                plan_kwargs=dict(n_epochs_kl_warmup=epochs),
                datasplitter_kwargs=dict(external_indexing=[train, held_out]))
    seconds = time.perf_counter() - start
    (nll, kl), (train_nll, _) = reconstruction(model, adata, held_out), reconstruction(model, adata, train)
    print(f"{kind.__name__} seed {seed}: held-out nll {nll:.3f} kl {kl:.3f}, training cells {train_nll:.3f}, "
          f"{seconds / epochs:.4f} s/epoch", flush=True)
    return nll, train_nll


if __name__ == "__main__":
    torch.set_num_threads(2)
    epochs, seeds = int(sys.argv[1]), [int(seed) for seed in sys.argv[2:]]
    data = dataset()
    for kind in (scvi.model.SCVI, scvi.model.LinearSCVI):
        found = [run(kind, data.copy(), epochs, seed) for seed in seeds]
        print(kind.__name__, "mean", np.mean(found, axis=0).round(3), "sd", np.std(found, axis=0).round(3), flush=True)
