//! The built binaries and a scratch folder for each test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Paths of the binaries under test.
#[derive(Debug, Clone)]
pub struct Product {
    /// `coordinator`.
    pub coordinator: PathBuf,
    /// `worker`.
    pub worker: PathBuf,
}

impl Product {
    /// The binaries, brought up to date once in a test process.
    ///
    /// The command is the one that built the tests, so that nothing is compiled twice: a test run has compiled
    /// the binaries already and this only confirms it.
    ///
    /// # Panics
    /// When they cannot be built.
    pub fn get() -> &'static Self {
        static PRODUCT: OnceLock<Product> = OnceLock::new();
        PRODUCT.get_or_init(build)
    }
}

/// The workspace's root.
#[must_use]
pub fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

fn build() -> Product {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["test", "--workspace", "--no-run", "--quiet"]).current_dir(workspace_root());
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let status = command.stdout(Stdio::null()).status().expect("cargo can be started");
    assert!(status.success(), "the product does not build");
    let test_binary = std::env::current_exe().expect("this process has a path");
    let profile_folder = test_binary.ancestors().nth(2).expect("test binaries lie in <profile>/deps");
    let product =
        Product { coordinator: profile_folder.join("coordinator"), worker: profile_folder.join("worker") };
    for binary in [&product.coordinator, &product.worker] {
        assert!(binary.is_file(), "{} was not built", binary.display());
    }
    product
}

/// A folder of one test, removed when the test passes and kept, with its path printed, when it fails.
#[derive(Debug)]
pub struct Scratch {
    folder: Option<tempfile::TempDir>,
}

impl Scratch {
    /// A new empty folder.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        Self { folder: Some(tempfile::tempdir().expect("a temporary folder can be made")) }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.as_ref().expect("kept until drop").path()
    }

    /// The path of `name` in it.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file in it and returns its path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.join(name);
        std::fs::write(&path, text).expect("the scratch folder can be written");
        path
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::print_stderr, reason = "a failed test says where its traces are")]
impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("the test's folder is kept: {}", folder.keep().display());
        }
    }
}
