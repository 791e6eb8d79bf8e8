//! The keys of `[data]` that speak of one kind of file only, and what they may say together. As far as the path's
//! ending tells; what the file itself says is the business of the crate `cells`.

use toml::de::DeTable;

use super::error::{Fault, Span};
use super::table::{Checked, in_file_order};
use crate::data::{LabelSource, SourceKind};

/// How `labels` asks for labels by clustering; a file of that name is "./cluster".
const CLUSTER: &str = "cluster";

/// `labels`: a text, or a table of `file` (with or without `column`) or `obs`; and `markers` beside it.
pub(super) fn read_labels(data: &Checked, table: &DeTable<'_>) -> Result<Option<LabelSource>, Fault> {
    let markers = data.lists("markers");
    if data.text("labels") == Some(CLUSTER) {
        return Ok(Some(LabelSource::Clusters { markers: markers.map(|lists| lists.of_name.clone()) }));
    }
    if let Some(lists) = markers {
        return Err(Fault::at(lists.span.clone(), "markers name clusters, and there are none here")
            .help("write labels = \"cluster\" in [data], or take [data.markers] out"));
    }
    let Some(labels) = data.table("labels") else {
        return Ok(data.text("labels").map(|file| LabelSource::File(file.to_owned())));
    };
    let owned = |name: &str| labels.text(name).map(str::to_owned);
    match (owned("file"), owned("column"), owned("obs")) {
        (Some(file), Some(column), None) => Ok(Some(LabelSource::Column { file, column })),
        (Some(file), None, None) => Ok(Some(LabelSource::File(file))),
        (None, None, Some(obs)) => Ok(Some(LabelSource::Obs { obs })),
        (Some(_), _, Some(_)) => Err(Fault::at(labels.span("obs"), "labels come from a file or from obs, not both")
            .also("the file at", labels.span("file"))
            .help("keep one of them")),
        (None, Some(_), _) => Err(Fault::at(labels.span("column"), "column names a column of a file, and there is none")
            .help("write labels = { file = \"labels.csv\", column = \"…\" }, or { obs = \"…\" } for a column of an .h5ad")),
        (None, None, None) => Err(Fault::at(span_of(table, "labels"), "labels names no file and no column")
            .help("write labels = \"labels.csv\", { file = \"labels.csv\", column = \"cell_type\" } or { obs = \"cell_type\" }")),
    }
}

/// A key about one kind of file beside a path of another.
pub(super) fn refuse_what_the_file_lacks(data: &Checked) -> Result<(), Fault> {
    let kind = SourceKind::of_path(data.text("path").unwrap_or_default());
    let refuse = |span: Span, key: &str, belongs_to: &str, advice: &str| {
        let message = format!("{key} speaks of {belongs_to}, but path names {}", kind.describe());
        Err(Fault::at(span, message).also("path at", data.span("path")).help(advice))
    };
    let may_be_anndata = matches!(kind, SourceKind::Anndata | SourceKind::Hdf5);
    if data.text("layer").is_some() && !may_be_anndata {
        return refuse(
            data.span("layer"),
            "layer",
            "an .h5ad file",
            "remove layer: there is only one matrix",
        );
    }
    if data.text("gene_names").is_some() && !may_be_anndata {
        let advice = "remove gene_names: the names are taken from the file's own place for them";
        return refuse(data.span("gene_names"), "gene_names", "an .h5ad file", advice);
    }
    if let Some(labels) = data.table("labels")
        && labels.text("obs").is_some()
        && !may_be_anndata
    {
        let advice = "name a CSV: labels = { file = \"labels.csv\", column = \"cell_type\" }";
        return refuse(labels.span("obs"), "obs", "an .h5ad file", advice);
    }
    if data.word("orientation").is_some_and(|word| word != "auto") && kind != SourceKind::Table {
        let advice = "remove orientation: this kind of file says itself which axis is which";
        return refuse(data.span("orientation"), "orientation", "a .csv or .tsv", advice);
    }
    let is_written = data.span("unlabelled") != (0..0);
    if is_written && data.text("labels") == Some(CLUSTER) {
        return Err(Fault::at(data.span("unlabelled"), "every cell has a cluster, so none is unlabelled")
            .help("remove unlabelled"));
    }
    if is_written && data.text("labels").is_none() && data.table("labels").is_none() {
        return Err(Fault::at(data.span("unlabelled"), "unlabelled speaks of labels, and there are none")
            .help("add labels, or remove unlabelled"));
    }
    Ok(())
}

fn span_of(table: &DeTable<'_>, name: &str) -> Span {
    in_file_order(table).into_iter().find(|entry| entry.name == name).map_or(0..0, |entry| entry.raw.span())
}
