//! Input that cannot be used: each says what, where, why and what to do, with its documented exit code, and leaves
//! nothing half done.

use std::io::Write as _;
use std::net::TcpListener;
use std::time::Duration;

use system_tests::process::run;
use system_tests::{Finished, Product, Running, Scratch};

use crate::sweeps::{coordinator, scene, small_grid};

const BAD_CONFIG: i32 = 78;

fn sweep_fails(scratch: &Scratch, code: i32, words: &[&str]) -> Finished {
    let finished = coordinator(scratch, &["sweep", "grid.toml"]).expect_code(code);
    for word in words {
        assert!(finished.stderr.contains(word), "`{word}` is missing in:\n{}", finished.stderr);
    }
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    assert!(finished.stdout.is_empty(), "no data on stdout:\n{}", finished.stdout);
    finished
}

fn grid_fails(grid: &str, words: &[&str]) {
    let _ = sweep_fails(&scene(&small_grid("bad", grid, 2)), BAD_CONFIG, words);
}

#[test]
fn a_grid_file_that_is_not_there() {
    let scratch = Scratch::new();
    let finished = coordinator(&scratch, &["sweep", "nowhere.toml"]);
    assert!(matches!(finished.code, Some(5 | 78)), "{finished:?}");
    assert!(finished.stderr.contains("nowhere.toml"), "{}", finished.stderr);
}

#[test]
fn an_unknown_key_gets_a_suggestion_and_a_place() {
    let text = small_grid("bad", "model = [\"ae\"]\nseed = [0]", 2).replace("batch_size", "batchsize");
    let _ = sweep_fails(&scene(&text), BAD_CONFIG, &["batchsize", "batch_size", "grid.toml:", "^"]);
}

#[test]
fn values_out_of_range() {
    grid_fails("model = [\"beta-vae\"]\nbeta = [1.0, -2.0]\nseed = [0]", &["beta", "-2", "grid.toml:"]);
    grid_fails("model = [\"ae\"]\nseed = [0, 3, 0]", &["seed", "0"]);
    grid_fails("model = []\nseed = [0]", &["model"]);
    grid_fails("", &["model"]);
    grid_fails("model = [\"beta-vea\"]\nseed = [0]", &["beta-vea", "beta-vae"]);
}

#[test]
fn a_text_that_is_no_toml() {
    let _ = sweep_fails(&scene("name = \"x\"\nmodel = ["), BAD_CONFIG, &["grid.toml:2:10", "unclosed", "^"]);
}

#[test]
fn data_that_is_not_there() {
    let scratch = scene(&small_grid("bad", "model = [\"ae\"]\nseed = [0]", 2));
    std::fs::remove_file(scratch.join("cells/matrix.mtx")).unwrap();
    let _ = sweep_fails(&scratch, BAD_CONFIG, &["matrix.mtx", "cells"]);
    std::fs::remove_dir_all(scratch.join("cells")).unwrap();
    let _ = sweep_fails(&scratch, BAD_CONFIG, &["cells"]);
}

#[test]
fn a_truncated_gz() {
    let scratch = scene(&small_grid("bad", "model = [\"ae\"]\nseed = [0]", 2));
    let plain = scratch.join("cells/matrix.mtx");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&std::fs::read(&plain).unwrap()).unwrap();
    let packed = encoder.finish().unwrap();
    std::fs::write(scratch.join("cells/matrix.mtx.gz"), &packed[..packed.len() / 2]).unwrap();
    std::fs::remove_file(plain).unwrap();
    let _ = sweep_fails(&scratch, BAD_CONFIG, &["matrix.mtx.gz"]);
}

#[test]
fn a_matrix_with_fewer_entries_than_its_header_says() {
    let scratch = scene(&small_grid("bad", "model = [\"ae\"]\nseed = [0]", 2));
    let path = scratch.join("cells/matrix.mtx");
    let text = std::fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> = text.lines().collect();
    std::fs::write(&path, kept[..kept.len() - 100].join("\n")).unwrap();
    let entries = kept.len() - 3;
    let said = [entries.to_string(), (entries - 100).to_string()];
    let _ = sweep_fails(&scratch, BAD_CONFIG, &["matrix.mtx", &said[0], &said[1]]);
}

#[test]
fn a_label_file_without_a_cell() {
    let scratch = scene(&small_grid("bad", "model = [\"ae\"]\nseed = [0]", 2));
    let path = scratch.join("cells/labels.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("CELL00007-1,3,type 3\n", "")).unwrap();
    let _ = sweep_fails(&scratch, BAD_CONFIG, &["labels.csv", "CELL00007-1"]);
}

#[test]
fn a_port_in_use() {
    let scratch = Scratch::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let finished = coordinator(&scratch, &["serve", "--bind", &address]);
    assert!(!matches!(finished.code, None | Some(0)), "{finished:?}");
    assert!(finished.stderr.contains(&address), "{}", finished.stderr);
    assert!(finished.stderr.contains("in use"), "{}", finished.stderr);
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let finished = coordinator(&Scratch::new(), &["serve", "--bind", "0.0.0.0:0"]).expect_code(2);
    assert!(finished.stderr.contains("0.0.0.0"), "{}", finished.stderr);
}

#[test]
fn an_unreachable_coordinator() {
    let scratch = Scratch::new();
    // Bound and closed again: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{address}");
    let args = ["--coordinator", &url, "--connect-timeout", "1s", "--cache", "cache"];
    let finished = run(&Product::get().worker, scratch.path(), &args).expect_code(3);
    assert!(finished.stderr.contains(&url), "{}", finished.stderr);
    scratch.write("grid.toml", &small_grid("x", "model = [\"ae\"]\nseed = [0]", 2));
    let finished = coordinator(&scratch, &["submit", "grid.toml", "--coordinator", &url]).expect_code(3);
    assert!(finished.stderr.contains(&url), "{}", finished.stderr);
}

#[test]
fn a_state_folder_that_holds_nothing() {
    let finished = coordinator(&Scratch::new(), &["leaderboard"]).expect_code(5);
    assert!(finished.stderr.contains(".latentsweep"), "{}", finished.stderr);
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let _ = coordinator(&Scratch::new(), &["swep"]).expect_code(2);
    let _ = run(&Product::get().worker, Scratch::new().path(), &["--slots", "0"]).expect_code(2);
}

#[test]
fn a_second_coordinator_on_one_state_folder_is_refused_with_its_holder() {
    let scratch = scene(&small_grid("x", "model = [\"ae\"]\nseed = [0]", 2));
    let holder = Running::start(
        &Product::get().coordinator,
        scratch.path(),
        "holder",
        &["serve", "--bind", "127.0.0.1:0"],
    );
    system_tests::wait_until("the first coordinator to listen", Duration::from_secs(30), || {
        holder.stderr_so_far().contains("http://127.0.0.1:").then_some(())
    });
    let finished = coordinator(&scratch, &["sweep", "grid.toml"]);
    assert!(!matches!(finished.code, None | Some(0)), "{finished:?}");
    assert!(finished.stderr.contains(&holder.pid().to_string()), "names its holder:\n{}", finished.stderr);
}
