//! What the user says about the data: where it is and what is to be made of it. Reading it is the business of the
//! crate `cells`.

use serde::{Deserialize, Serialize};

/// What the nets see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// ln(1 + count / cell sum × scale factor): Seurat's `LogNormalize`.
    #[default]
    Lognorm,
}

/// Which genes the nets see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Genes {
    /// All that pass quality control.
    #[default]
    All,
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
    /// 10x directory.
    pub path: String,
    /// CSV with the columns barcode and cell_type (or a named one); none means no agreement scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelSource>,
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
}
