//! What the user says about the data: where it is and what is to be made of it. Reading it is the business of the
//! crate `cells`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the nets see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// ln(1 + count / cell sum × scale factor): Seurat's `LogNormalize`.
    #[default]
    Lognorm,
    /// z-score of each gene's log-normalised values, at most 10: Seurat's `ScaleData`. Dense.
    Scaled,
    /// The counts themselves, for models with a likelihood of counts. A cell's library size is the sum of its row.
    Counts,
}

/// Which genes the nets see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Genes {
    /// All that pass quality control.
    #[default]
    All,
    /// So many of them, those that vary most for their mean (Seurat's `vst`); fewer when fewer vary.
    Hvg(u32),
}

/// Cell types and the genes that mark them.
pub type Markers = BTreeMap<String, Vec<String>>;

/// Which axis of a table of counts is which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Orientation {
    /// What the names in the table say; an error when they do not.
    #[default]
    Auto,
    /// A row a gene, a column a cell: R's way.
    GenesByCells,
    /// A row a cell, a column a gene: Python's way.
    CellsByGenes,
}

/// What becomes of cells that pass quality control and have no label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unlabelled {
    /// They are a mistake.
    #[default]
    Error,
    /// They are left out.
    Drop,
    /// They are a class of their own, "unlabelled".
    Keep,
}

/// What kind of thing a data path names, as far as the name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A 10x directory.
    Folder,
    /// An `.h5ad` file.
    Anndata,
    /// A `.h5` file: 10x's, or AnnData under another name.
    Hdf5,
    /// A table of text: `.csv`, `.tsv`, `.txt`.
    Table,
}

impl SourceKind {
    /// The kind that the ending of `path` stands for, with or without `.gz`.
    #[must_use]
    pub fn of_path(path: &str) -> Self {
        let lower = path.to_lowercase();
        let bare = lower.strip_suffix(".gz").unwrap_or(&lower);
        match bare.rsplit_once('.').map_or("", |(_, ending)| ending) {
            "h5ad" => Self::Anndata,
            "h5" | "hdf5" => Self::Hdf5,
            "csv" | "tsv" | "txt" | "tab" => Self::Table,
            _ => Self::Folder,
        }
    }

    /// In words, with an article.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Folder => "a 10x directory",
            Self::Anndata => "an .h5ad file",
            Self::Hdf5 => "an .h5 file",
            Self::Table => "a table of text",
        }
    }
}

/// Quality control in Seurat's order and with its strictness. The defaults are the study's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QualityControl {
    /// Keep genes seen in at least this many cells, counted before any cell is dropped (`min.cells`).
    pub min_cells: u32,
    /// First filter: keep cells with at least this many genes (`min.features`); the second filter is strict: more than this.
    pub min_genes: u32,
    /// Keep cells with fewer genes than this.
    pub max_genes: u32,
    /// Keep cells with a smaller percentage of mitochondrial counts than this, in (0, 100]; 100 keeps all.
    pub max_mito_percent: f64,
    /// A gene is mitochondrial when its name starts so.
    pub mito_prefix: String,
}

impl Default for QualityControl {
    fn default() -> Self {
        Self {
            min_cells: 3,
            min_genes: 200,
            max_genes: 2500,
            max_mito_percent: 5.0,
            mito_prefix: "MT-".to_owned(),
        }
    }
}

/// The `[data]` table of a grid file. Paths are as written there; a relative one is taken from the folder of the
/// grid file's reader (the working directory).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// 10x directory, `.h5ad`, 10x `.h5`, or a CSV or TSV; the files may be gzipped.
    pub path: String,
    /// Where an `.h5ad` keeps its counts: `X`, `raw/X`, `layers/NAME`; none means `X`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// Column of an `.h5ad`'s `var` with the genes' names; none means its index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gene_names: Option<String>,
    /// Which axis of a CSV or TSV is which.
    #[serde(default)]
    pub orientation: Orientation,
    /// Where labels come from; none means no agreement scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelSource>,
    /// What becomes of cells without a label.
    #[serde(default)]
    pub unlabelled: Unlabelled,
    /// What the nets see.
    #[serde(default)]
    pub input: Input,
    /// Which genes they see.
    #[serde(default)]
    pub genes: Genes,
    /// Factor of `LogNormalize`, > 0.
    #[serde(default = "default_scale_factor")]
    pub scale_factor: f64,
    /// Filters.
    #[serde(default)]
    pub qc: QualityControl,
}

fn default_scale_factor() -> f64 {
    1e4
}

impl DataSpec {
    /// The data at `path`, with every other choice as it is by default.
    #[must_use]
    pub fn of_path(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            layer: None,
            gene_names: None,
            orientation: Orientation::default(),
            labels: None,
            unlabelled: Unlabelled::default(),
            input: Input::default(),
            genes: Genes::default(),
            scale_factor: default_scale_factor(),
            qc: QualityControl::default(),
        }
    }
}

/// Where labels come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LabelSource {
    /// A CSV: first column the barcode; the label is the column `cell_type` if there is one, else the second column.
    File(String),
    /// A CSV and the name of its label column.
    Column {
        /// The CSV.
        file: String,
        /// Its label column.
        column: String,
    },
    /// A column of an `.h5ad`'s `obs`.
    Obs {
        /// The column.
        obs: String,
    },
    /// No file: Seurat's pipeline clusters the counts, and marker genes name the clusters.
    Clusters {
        /// The cell types to find; none for the default table (human blood).
        markers: Option<Markers>,
    },
}

#[cfg(test)]
mod tests {
    use super::SourceKind;

    #[test]
    fn endings_name_kinds_in_any_case_and_gzipped() {
        for (path, kind) in [
            ("data/pbmc3k", SourceKind::Folder),
            ("a.h5ad", SourceKind::Anndata),
            ("A.H5AD.gz", SourceKind::Anndata),
            ("b/filtered_feature_bc_matrix.h5", SourceKind::Hdf5),
            ("counts.csv.gz", SourceKind::Table),
            ("counts.tsv", SourceKind::Table),
            ("v1.2/counts", SourceKind::Folder),
            ("", SourceKind::Folder),
        ] {
            assert_eq!(SourceKind::of_path(path), kind, "{path}");
        }
    }
}
