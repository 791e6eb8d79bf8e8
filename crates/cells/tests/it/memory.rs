//! Reading keeps to the size of the sparse result. The figures are the peak resident memory of a process of its own, as
//! the system counts it: this same test program, started again for one test.

use std::path::{Path, PathBuf};

use crate::fixture::lenient;
use crate::h5_writer::dense;

const CELLS: usize = 4000;
const GENES: usize = 10_000;
const FILE: &str = "LATENTSWEEP_TEST_FILE_TO_READ";
const MIB: u64 = 1 << 20;

/// Bytes of the largest resident set so far.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// One count in a hundred places.
fn row(cell: usize) -> Vec<f32> {
    (0..GENES)
        .map(|gene| if (cell + gene).is_multiple_of(100) { (1 + gene % 9) as f32 } else { 0.0 })
        .collect()
}

#[test]
#[ignore = "the child of the test below"]
fn read_the_file_that_the_environment_names() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let before = peak();
    let read = cells::read::source::read(&lenient(Path::new(&path)), Path::new("/"));
    let sparse_bytes = read.as_ref().map_or(0, |read| 8 * read.raw.counts.view().nnz() as u64); // 0 of a refused file
    println!("sparse {sparse_bytes} grown {}", peak() - before);
}

/// How much a process grows that reads `path`, and the size of what it read.
fn measure(path: &Path) -> (u64, u64) {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "memory::read_the_file_that_the_environment_names", "--ignored", "--nocapture"])
        .env(FILE, path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout).into_owned();
    let number = |word: &str| {
        let after = text
            .split(word)
            .nth(1)
            .unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&child.stderr)));
        after.split_ascii_whitespace().next().unwrap().parse().unwrap()
    };
    (number("sparse "), number("grown "))
}

#[cfg(target_os = "linux")]
#[test]
fn dense_matrices_and_tables_are_never_held_densely() {
    let dir = tempfile::tempdir().unwrap();
    let dense_bytes = (CELLS * GENES * 4) as u64; // 153 MiB
    let h5ad = dir.path().join("dense.h5ad");
    dense(&h5ad, CELLS, GENES, [100, GENES], row);
    let tiled = dir.path().join("tiled.h5ad");
    dense(&tiled, CELLS, GENES, [1000, 250], row);
    for path in [h5ad, tiled, table(dir.path())] {
        let (sparse, grown) = measure(&path);
        println!("{}: dense {dense_bytes}, sparse {sparse}, grown {grown}", path.display());
        assert_eq!(sparse, 8 * (CELLS * GENES / 100) as u64);
        // Room for the growing lists, one tile and the names; far from the dense 153 MiB.
        assert!(grown < 3 * sparse + 40 * MIB && grown < dense_bytes / 3, "{}: {grown}", path.display());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_claims_to_be_endless_takes_no_memory() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files");
    for name in ["endless_old.h5ad.gz", "endless_new.h5ad.gz"] {
        let (sparse, grown) = measure(&golden.join(name));
        assert_eq!(sparse, 0, "{name} is refused");
        assert!(grown < 16 * MIB, "{name}: {grown}");
    }
}

/// The same counts, a row a gene.
fn table(dir: &Path) -> PathBuf {
    let path = dir.join("genes_by_cells.csv");
    let mut text = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    let header: Vec<String> = (0..CELLS).map(|cell| format!("c{cell}")).collect();
    std::io::Write::write_all(&mut text, format!("gene,{}\n", header.join(",")).as_bytes()).unwrap();
    for gene in 0..GENES {
        let mut line = format!("G{gene}");
        for cell in 0..CELLS {
            line.push(',');
            line.push(if (cell + gene).is_multiple_of(100) {
                char::from(b'1' + (gene % 9) as u8)
            } else {
                '0'
            });
        }
        line.push('\n');
        std::io::Write::write_all(&mut text, line.as_bytes()).unwrap();
    }
    path
}
