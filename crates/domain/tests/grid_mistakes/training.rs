//! Schedules, held-out cells and early stopping.

use crate::{HEAD, assert_refused};

#[test]
fn a_schedule_of_another_name() {
    assert_refused(
        &format!("{HEAD}[grid]\nmodel = \"beta-vae\"\n[model]\nbeta_schedule = \"linear\"\n"),
        "grid.toml:7:17: beta_schedule must be \"constant\", { warmup = share of the run } or { cycles = number, ramp = share of a cycle }, found \"linear\"
7 | beta_schedule = \"linear\"
  |                 ^^^^^^^^",
    );
}

#[test]
fn a_misspelt_part_of_a_schedule() {
    assert_refused(
        &format!("{HEAD}[grid]\nmodel = \"beta-vae\"\n[model]\nbeta_schedule = {{ warm_up = 0.1 }}\n"),
        "grid.toml:7:19: unknown key \"warm_up\" in beta_schedule
7 | beta_schedule = { warm_up = 0.1 }
  |                   ^^^^^^^
help: did you mean \"warmup\"? beta_schedule is \"constant\", { warmup = share of the run } or { cycles = number, ramp = share of a cycle }",
    );
}

#[test]
fn a_warm_up_longer_than_the_run() {
    assert_refused(
        &format!(
            "{HEAD}[grid]\nmodel = \"beta-vsc\"\nlambda_schedule = [\"constant\", {{ warmup = 1.5 }}]\n"
        ),
        "grid.toml:6:43: lambda_schedule.warmup must be a number > 0 and <= 1, found 1.5
6 | lambda_schedule = [\"constant\", { warmup = 1.5 }]
  |                                           ^^^",
    );
}

#[test]
fn cycles_without_a_ramp() {
    assert_refused(
        &format!("{HEAD}[grid]\nmodel = \"beta-vae\"\nbeta_schedule = {{ cycles = 4 }}\n"),
        "grid.toml:6:17: beta_schedule must be \"constant\", { warmup = share of the run } or { cycles = number, ramp = share of a cycle }, found cycles
6 | beta_schedule = { cycles = 4 }
  |                 ^^^^^^^^^^^^^^
help: warmup stands alone; cycles and ramp go together",
    );
}

#[test]
fn patience_without_held_out_cells() {
    assert_refused(
        &format!("{HEAD}[grid]\nmodel = \"ae\"\n[train]\npatience = 10\n"),
        "grid.toml:7:1: patience watches the loss of held-out cells, and there are none
7 | patience = 10
  | ^^^^^^^^
help: write validation_fraction = 0.1 below [train], or leave patience out",
    );
}

#[test]
fn a_schedule_of_a_model_without_one() {
    assert_refused(
        &format!("{HEAD}[grid]\nmodel = \"beta-vae\"\n[model.beta-vae]\nc_schedule = \"constant\"\n"),
        "grid.toml:7:1: beta-vae has no c_schedule
7 | c_schedule = \"constant\"
  | ^^^^^^^^^^
help: c_schedule belongs to beta-vsc",
    );
}
