//! Every command in the documents is run. A command that this test does not know is a failure: teach it here.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use system_tests::process::run;
use system_tests::product::workspace_root;
use system_tests::{Product, Running, Scratch};

use crate::network::{serve, serve_at};

const PATIENCE: Duration = Duration::from_secs(500);

/// Commands in the ```sh blocks of the documents, in reading order, continuation lines joined.
fn commands_of_documents() -> Vec<String> {
    let mut files = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned(), "bench/README.md".to_owned()];
    for entry in std::fs::read_dir(workspace_root().join("docs")).expect("docs/ is there").flatten() {
        let name = entry.file_name().into_string().expect("names are UTF-8");
        if name.ends_with(".md") {
            files.push(format!("docs/{name}"));
        }
    }
    files
        .iter()
        .flat_map(|file| commands_of(&std::fs::read_to_string(workspace_root().join(file)).unwrap()))
        .collect()
}

fn commands_of(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        match line.trim() {
            "```sh" => in_block = true,
            "```" => in_block = false,
            command if in_block && !command.is_empty() && !command.starts_with('#') => {
                commands.push(command.to_owned())
            }
            _ => {}
        }
    }
    commands
}

/// A folder in which the documents' relative paths mean what they mean in a clone.
fn clone_like() -> Scratch {
    let scratch = Scratch::new();
    for name in ["examples", "data"] {
        std::os::unix::fs::symlink(workspace_root().join(name), scratch.join(name))
            .expect("a link can be made");
    }
    scratch
}

#[test]
fn every_command_of_the_documents_runs() {
    let scratch = clone_like();
    let product = Product::get();
    let mut unknown = Vec::new();
    let mut seen = BTreeSet::new();
    for command in commands_of_documents() {
        if !seen.insert(command.clone()) {
            continue;
        }
        let words: Vec<&str> = command.split_whitespace().collect();
        match words.as_slice() {
            // A guarded coordinator, with the worker and the commands that speak with it.
            ["coordinator", "serve", args @ ..] if args.contains(&"--tls") => guarded(args),
            ["coordinator" | "worker", ..] if command.contains("https://HOST:7733") => {}
            // The main job, with the binary that this run has built.
            ["cargo", "run", "--release", "--bin", "coordinator", "--", args @ ..]
            | ["coordinator", args @ ..]
                if args[0] != "serve" =>
            {
                let finished = run(&product.coordinator, scratch.path(), args);
                assert_eq!(finished.code, Some(0), "{command}\n{}\n{}", finished.stdout, finished.stderr);
            }
            // A coordinator and a worker: on a free port, so that two test runs do not meet.
            ["coordinator", "serve", args @ ..] => {
                let port =
                    args.iter().position(|arg| *arg == "--bind").expect("the document names an address");
                let rest: Vec<&str> = [&args[..port], &args[port + 2..]].concat();
                let elsewhere = clone_like();
                let (server, url) = serve(&elsewhere, &rest);
                let cache = elsewhere.join("cache");
                let worker = Running::start(
                    &product.worker,
                    elsewhere.path(),
                    "worker",
                    &["--coordinator", &url, "--cache", cache.to_str().unwrap()],
                );
                let _ = server.finish(PATIENCE).expect_code(0);
                let _ = worker.finish(PATIENCE).expect_code(0);
            }
            // Run together with its coordinator above.
            ["worker", "--coordinator", _] => {}
            // This very test run, what it is part of, and what it has built.
            ["cargo", "test", "--release", "--workspace"] | ["cargo", "build", "--release"] | [".ci/run"] => {
            }
            // Benchmarks take minutes and peers from a registry: here only their names are held to what is there.
            ["cargo", "run", "--release", "-p", "bench", "--bin", name, ..] => {
                let file = workspace_root().join(format!("bench/src/bin/{name}.rs"));
                assert!(file.is_file(), "{command}: no {}", file.display());
            }
            _ => unknown.push(command),
        }
    }
    assert!(unknown.is_empty(), "commands in the documents that no test runs: {unknown:#?}");
    assert!(
        seen.iter().any(|command| command.contains("examples/quickstart.toml")),
        "the main job is documented"
    );
    assert!(scratch.join(".latentsweep/reports/quickstart/report.html").is_file());
}

/// The part of the README with a guarded coordinator, from its first command to its last.
fn guarded(args: &[&str]) {
    let scratch = clone_like();
    let coordinator = &Product::get().coordinator;
    let here = |command: &str, url: &str| {
        let words: Vec<String> =
            command.split_whitespace().skip(1).map(|word| word.replace("https://HOST:7733", url)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        run(coordinator, scratch.path(), &words)
    };
    let commands = commands_of_documents();
    let (to_it, others): (Vec<_>, Vec<_>) =
        commands.into_iter().partition(|command| command.contains("https://HOST:7733"));
    for command in others.iter().filter(|command| command.starts_with("coordinator token create")) {
        let _ = here(command, "").expect_code(0);
    }
    let port = args.iter().position(|arg| *arg == "--bind").expect("the document names an address");
    let rest = [&args[..port], &args[port + 2..]].concat();
    let (server, url) = serve_at(&scratch, "127.0.0.1:0", &rest);
    let is_question =
        |command: &&String| command.starts_with("coordinator ") && !command.contains(" revoke ");
    for command in to_it.iter().filter(is_question) {
        let _ = here(command, &url).expect_code(0);
    }
    let cache = scratch.join("cache");
    let started =
        to_it.iter().find(|command| command.starts_with("worker ")).expect("a worker is documented");
    let words = started.replace("https://HOST:7733", &url);
    let words = words.split_whitespace().skip(1).chain(["--cache", cache.to_str().unwrap()]);
    let worker = Running::start(&Product::get().worker, scratch.path(), "worker", &words.collect::<Vec<_>>());
    let _ = server.finish(PATIENCE).expect_code(0);
    let _ = worker.finish(PATIENCE).expect_code(0);

    // Last of all, for what is revoked is out.
    let list = here("coordinator token list", "").expect_code(0).stdout;
    let line = list.lines().find(|line| line.contains("launch-1")).expect("the worker's token is listed");
    let id = line.split_whitespace().next().expect("its id stands first");
    let (server, url) = serve_at(&scratch, "127.0.0.1:0", &["--tls"]);
    let revoke =
        to_it.iter().find(|command| command.contains(" revoke ID ")).expect("revoking is documented");
    let _ = here(&revoke.replace(" ID ", &format!(" {id} ")), &url).expect_code(0);
    drop(server);
}

#[test]
fn the_ci_calls_the_test_command_of_the_readme() {
    let readme = std::fs::read_to_string(workspace_root().join("README.md")).unwrap();
    let marked = readme.split("<!-- test command -->").nth(1).expect("the README marks its test command");
    assert_eq!(commands_of(marked)[0], "cargo test --release --workspace");
    let ci = std::fs::read_to_string(workspace_root().join(".ci/run")).unwrap();
    assert!(ci.contains("test command -->") && ci.contains("README.md"), "CI reads it from the README");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut dead = Vec::new();
    for file in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench/README.md"] {
        let path = workspace_root().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.starts_with("http") {
                continue;
            }
            if !path.parent().expect("a file has a folder").join(target).exists() {
                dead.push(format!("{file}: {target}"));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

/// The tables of `docs/grid-file.md`, from the published schema, which follows from the reader's own table of keys.
fn key_tables() -> String {
    let text = std::fs::read_to_string(workspace_root().join("examples/grid.schema.json"))
        .expect("the schema is there");
    let schema: Value = serde_json::from_str(&text).expect("the schema is JSON");
    let mut tables = String::new();
    for section in ["data", "model", "train", "evaluation"] {
        let table = &schema["properties"][section];
        let _ =
            writeln!(tables, "\n## `[{section}]`\n\n{}\n", table["description"].as_str().unwrap_or_default());
        tables.push_str("| key | default | range | meaning |\n| --- | --- | --- | --- |\n");
        key_rows("", table, &mut tables);
    }
    tables
}

fn key_rows(prefix: &str, table: &Value, rows: &mut String) {
    for (name, key) in table["properties"].as_object().expect("a section has keys") {
        if key["properties"].is_object() {
            // Sections of one model repeat the keys of `[model]`.
            if !key["description"].as_str().is_some_and(|about| about.starts_with("Values for")) {
                key_rows(&format!("{prefix}{name}."), key, rows);
            }
            continue;
        }
        let default = key.get("default").map_or_else(String::new, |value| format!("`{value}`"));
        let about = key["description"].as_str().unwrap_or_default().replace('\n', "<br>").replace('|', "\\|");
        let _ = writeln!(rows, "| `{prefix}{name}` | {default} | {} | {about} |", range_of(key));
    }
}

/// The bounds of a value, in words.
fn range_of(key: &Value) -> String {
    if key["type"] == "boolean" {
        return "`true` `false`".to_owned();
    }
    if let Some(words) = key["enum"].as_array() {
        return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" ");
    }
    let bound = |name: &str, sign: &str| key.get(name).map(|value| format!("{sign} {value}"));
    let bounds = [
        bound("minimum", "≥"),
        bound("exclusiveMinimum", ">"),
        bound("maximum", "≤"),
        bound("exclusiveMaximum", "<"),
    ];
    bounds.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[test]
fn every_key_of_the_grid_file_is_documented() {
    let path = workspace_root().join("docs/grid-file.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (start, end) = ("<!-- keys -->\n", "<!-- end of keys -->");
    let (before, rest) = text.split_once(start).expect("the page marks where its tables begin");
    let (found, after) = rest.split_once(end).expect("the page marks where its tables end");
    let expected = format!("{}\n", key_tables());
    if std::env::var_os("LATENTSWEEP_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{start}{expected}{end}{after}")).unwrap();
        return;
    }
    assert_eq!(found, expected, "run this test with LATENTSWEEP_BLESS=1 to write the tables anew");
}
