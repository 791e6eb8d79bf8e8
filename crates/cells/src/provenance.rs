//! What a data set remembers of its making: what was read, what was dropped, every choice. No path is kept, so the
//! same data at another place has the same fingerprint. Rules and arithmetic must not live here.

use domain::data::{Genes, Input, Markers, Orientation, QualityControl, Unlabelled};
use serde::{Deserialize, Serialize};

use crate::step::name_clusters::blood_markers;

/// Which reader the counts came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CountsReader {
    /// 10x folder with `genes.tsv` (Cell Ranger 1 and 2).
    #[serde(rename = "10x-v2")]
    TenxV2,
    /// 10x folder with `features.tsv` (Cell Ranger 3 and later); only its `Gene Expression` rows.
    #[serde(rename = "10x-v3")]
    TenxV3,
    /// 10x `.h5` with a group a genome (Cell Ranger 1 and 2).
    #[serde(rename = "10x-h5-v2")]
    TenxH5V2,
    /// 10x `.h5` with `matrix` (Cell Ranger 3 and later); only its `Gene Expression` features.
    #[serde(rename = "10x-h5-v3")]
    TenxH5V3,
    /// AnnData.
    #[serde(rename = "h5ad")]
    H5ad,
    /// CSV or TSV.
    #[serde(rename = "table")]
    Table,
}

/// How many cells each rule of the quality control dropped. A cell counts once, under the first rule it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellsDropped {
    /// Not more genes than `min_genes`.
    pub few_genes: u64,
    /// Not fewer genes than `max_genes`.
    pub many_genes: u64,
    /// Mitochondrial percentage not below `max_mito_percent`.
    pub mitochondrial: u64,
    /// Passed all rules, but has no label, and `unlabelled` is `drop`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unlabelled: u64,
}

/// Every choice that shaped the matrix and the labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choices {
    /// What the values are.
    pub input: Input,
    /// Which genes were kept after quality control.
    pub genes: Genes,
    /// Factor of `LogNormalize`.
    pub scale_factor: f64,
    /// Filters.
    pub qc: QualityControl,
    /// Name of the CSV column the labels came from (`obs/NAME` for one of an `.h5ad`); none when there are no labels.
    pub label_column: Option<String>,
    /// What became of cells without a label, where that was not a mistake.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unlabelled: Unlabelled,
    /// Which matrix of an `.h5ad` was read; none for other files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// Which column of its `var` named the genes, where that was not the index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gene_names: Option<String>,
    /// Which way a table was read; none for other files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orientation: Option<Orientation>,
    /// How the labels were made from the counts; none when they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clustering: Option<Clustering>,
}

/// Labels by Seurat's pipeline on the same counts. They favour codes that look like its principal components.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clustering {
    /// Most variable genes that were scaled.
    pub variable_genes: u32,
    /// Principal components in which neighbours were sought.
    pub components: u32,
    /// Nearest neighbours of a cell, itself among them.
    pub neighbours: u32,
    /// Resolution of the Louvain method.
    pub resolution: f64,
    /// The cell types that could be found.
    pub markers: Markers,
}

impl std::fmt::Display for Clustering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { variable_genes, components, neighbours, resolution, .. } = self;
        write!(
            f,
            "{variable_genes} most variable genes, {components} principal components, {neighbours} nearest neighbours, \
             Louvain at resolution {resolution}"
        )
    }
}

impl Default for Clustering {
    /// Those of Seurat's guided tutorial on PBMC3k, and human blood.
    fn default() -> Self {
        Self {
            variable_genes: 2000,
            components: 10,
            neighbours: 20,
            resolution: 0.5,
            markers: blood_markers(),
        }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What was read and what was made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The reader.
    pub reader: CountsReader,
    /// Cells in the files, before quality control.
    pub cells_read: u64,
    /// Genes in the files, before quality control.
    pub genes_read: u64,
    /// Features that are no genes (antibodies, guides, peaks) and were left out.
    pub other_features_read: u64,
    /// Entries of the matrix file, other features' included.
    pub entries_read: u64,
    /// Cells that quality control dropped.
    pub cells_dropped: CellsDropped,
    /// The choices.
    pub choices: Choices,
}

impl Provenance {
    /// The data set file's format version that can say all this, the oldest one. Files that version 1 can say stay
    /// as they are, byte for byte: their fingerprints name results that people have.
    pub(crate) fn format_version(&self) -> u32 {
        let is_old_reader = matches!(self.reader, CountsReader::TenxV2 | CountsReader::TenxV3);
        let Choices {
            input: Input::Lognorm,
            genes: Genes::All,
            unlabelled: Unlabelled::Error,
            layer: None,
            gene_names: None,
            orientation: None,
            clustering: None,
            ..
        } = &self.choices
        else {
            return 2;
        };
        if is_old_reader && self.cells_dropped.unlabelled == 0 { 1 } else { 2 }
    }
}
