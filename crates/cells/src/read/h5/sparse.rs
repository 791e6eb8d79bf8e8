//! Sparse matrices in HDF5 files: `data`, `indices` and `indptr`, compressed by cells or by genes, become compressed
//! rows. By cells, entries are taken as they come; by genes, they are counted first and then put into their places,
//! so that no second matrix is ever held. Which matrix to read must not be decided here.

use super::super::rows::RowBuilder;
use super::{H5, block_length, blocks, shape_in_words};
use crate::csr::Csr;
use crate::error::{CellsError, H5Problem};

/// What the pointers of a sparse matrix count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::read) enum Major {
    /// CSR of cells × genes, or 10x's CSC of genes × cells.
    Cells,
    /// CSC of cells × genes.
    Genes,
}

/// Where a sparse matrix lies and how large it has to be.
pub(in crate::read) struct Sparse<'a> {
    pub(in crate::read) file: &'a H5,
    /// The group.
    pub(in crate::read) group: String,
    pub(in crate::read) major: Major,
    pub(in crate::read) n_cells: usize,
    /// Number of each feature among the genes; `None` for what is none.
    pub(in crate::read) gene_of: &'a [Option<u32>],
    pub(in crate::read) n_genes: usize,
}

impl Sparse<'_> {
    /// The counts, and how many entries the file has.
    pub(in crate::read) fn read(&self) -> Result<(Csr, u64), CellsError> {
        let indptr = self.read_indptr()?;
        let entries = indptr.last().copied().unwrap_or(0);
        let counts = match self.major {
            Major::Cells => self.read_by_cells(&indptr)?,
            Major::Genes => self.read_by_genes(&indptr)?,
        };
        Ok((counts, entries))
    }

    fn entry(&self, name: &str) -> String {
        format!("{}/{name}", self.group)
    }

    /// The pointers, checked against the names and the other two lists.
    fn read_indptr(&self) -> Result<Vec<u64>, CellsError> {
        let entry = self.entry("indptr");
        let (lines, what) = match self.major {
            Major::Cells => (self.n_cells, "cells"),
            Major::Genes => (self.gene_of.len(), "features"),
        };
        let length = self.file.length(&entry)?;
        if length != lines as u64 + 1 {
            let problem = H5Problem::WrongShape {
                expected: shape_in_words(&[lines as u64 + 1]),
                found: shape_in_words(&[length]),
                why: format!("there are {lines} {what}"),
            };
            return Err(self.file.error(&entry, problem));
        }
        let step = block_length(&self.file.facts(&entry)?);
        let mut indptr = Vec::with_capacity(lines + 1);
        let mut before = 0;
        for block in blocks(length, step) {
            for (position, pointer) in (block.start..).zip(self.file.integers(&entry, &[block])?) {
                if position == 0 && pointer != 0 {
                    return Err(self.file.error(&entry, H5Problem::FirstPointer { found: pointer }));
                }
                if pointer < before {
                    let problem = H5Problem::PointersFall { position, before, after: pointer };
                    return Err(self.file.error(&entry, problem));
                }
                before = pointer;
                indptr.push(pointer as u64); // not negative: it starts at 0 and never falls
            }
        }
        for list in ["indices", "data"] {
            let list = self.entry(list);
            let found = self.file.length(&list)?;
            if found != before as u64 {
                let problem = H5Problem::LastPointer { last: before, entry: list, length: found };
                return Err(self.file.error(&entry, problem));
            }
        }
        Ok(indptr)
    }

    /// Calls `visit(line, index, value)` for every entry in file order. Without values, each is 0.
    fn each_entry(
        &self,
        indptr: &[u64],
        with_values: bool,
        mut visit: impl FnMut(usize, u32, f32) -> Result<(), CellsError>,
    ) -> Result<(), CellsError> {
        let (indices_entry, data_entry) = (self.entry("indices"), self.entry("data"));
        let across = match self.major {
            Major::Cells => self.gene_of.len(),
            Major::Genes => self.n_cells,
        } as u64;
        let length = indptr.last().copied().unwrap_or(0);
        let step = block_length(&self.file.facts(&indices_entry)?);
        let mut line = 0;
        for block in blocks(length, step) {
            let indices = self.file.integers(&indices_entry, std::slice::from_ref(&block))?;
            let values = if with_values {
                self.file.numbers(&data_entry, std::slice::from_ref(&block))?
            } else {
                Vec::new()
            };
            for (offset, (position, found)) in (block.start..block.end).zip(indices).enumerate() {
                while indptr[line + 1] <= position {
                    line += 1;
                }
                let index = u64::try_from(found).ok().filter(|&index| index < across).ok_or_else(|| {
                    let problem = H5Problem::IndexRange { position, found, last: across.saturating_sub(1) };
                    self.file.error(&indices_entry, problem)
                })?;
                let value = match values.get(offset) {
                    Some(&value) => as_count(value).ok_or_else(|| {
                        let place = format!("position {position}");
                        self.file.error(&data_entry, not_a_count(value, place))
                    })?,
                    None => 0.0,
                };
                visit(line, index as u32, value)?;
            }
        }
        Ok(())
    }

    fn twice(&self, number: usize, index: u64) -> CellsError {
        let line = match self.major {
            Major::Cells => "cell",
            Major::Genes => "gene",
        };
        let problem = H5Problem::IndexTwice { line, number: number as u64, index };
        self.file.error(&self.entry("indices"), problem)
    }

    fn read_by_cells(&self, indptr: &[u64]) -> Result<Csr, CellsError> {
        let entries = indptr.last().copied().unwrap_or(0);
        let expected = usize::try_from(entries.min(self.file.stored_bytes())).unwrap_or(0);
        let mut builder = RowBuilder::new(self.n_cells, expected);
        let mut room_in_line = (usize::MAX, 0_usize);
        self.each_entry(indptr, true, |cell, feature, value| {
            // More entries than features means some feature twice: seen here before a lie can fill the memory.
            room_in_line = if room_in_line.0 == cell { (cell, room_in_line.1 + 1) } else { (cell, 1) };
            if room_in_line.1 > self.gene_of.len() {
                return Err(self.twice(cell, u64::from(feature)));
            }
            if let Some(gene) = self.gene_of[feature as usize] {
                builder.push(cell, gene, value);
            }
            Ok(())
        })?;
        builder.finish(self.n_genes).map_err(|twice| {
            let feature = self.gene_of.iter().position(|&gene| gene == Some(twice.gene)).unwrap_or(0);
            self.twice(twice.cell, feature as u64)
        })
    }

    fn read_by_genes(&self, indptr: &[u64]) -> Result<Csr, CellsError> {
        let most = self.gene_of.len() as u64;
        let mut ends = vec![0_u64; self.n_cells + 1];
        self.each_entry(indptr, false, |feature, cell, _| {
            if self.gene_of[feature].is_none() {
                return Ok(());
            }
            let count = &mut ends[cell as usize + 1];
            *count += 1;
            if *count > most { Err(self.twice(feature, u64::from(cell))) } else { Ok(()) }
        })?;
        for cell in 0..self.n_cells {
            ends[cell + 1] += ends[cell];
        }
        let starts = ends;
        let total = starts[self.n_cells] as usize;
        let mut next = starts.clone();
        let mut genes = vec![0_u32; total];
        let mut values = vec![0.0_f32; total];
        self.each_entry(indptr, true, |feature, cell, value| {
            let Some(gene) = self.gene_of[feature] else { return Ok(()) };
            let place = next[cell as usize] as usize;
            // Features come in ascending order, so an equal one can only be the last.
            let is_second = next[cell as usize] > starts[cell as usize] && genes[place - 1] == gene;
            if is_second {
                return Err(self.twice(feature, u64::from(cell)));
            }
            (genes[place], values[place]) = (gene, value);
            next[cell as usize] += 1;
            Ok(())
        })?;
        Ok(Csr::from_arrays(self.n_genes, starts, genes, values).without_zeros())
    }
}

/// A value as a count; `None` for what is none.
pub(in crate::read) fn as_count(value: f64) -> Option<f32> {
    let is_count = value >= 0.0 && value.fract() == 0.0 && value <= f64::from(f32::MAX);
    is_count.then_some(value as f32 + 0.0) // turns -0 into 0
}

/// The problem of a value that is no count, before anybody has looked for counts elsewhere.
pub(in crate::read) fn not_a_count(value: f64, place: String) -> H5Problem {
    let value = if value.is_nan() { "NaN (no number)".to_owned() } else { value.to_string() };
    let advice = "Raw counts are needed, not normalised, scaled or corrected values".to_owned();
    H5Problem::NotACount { value, place, advice }
}
