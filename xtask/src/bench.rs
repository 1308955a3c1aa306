//! `cargo xtask bench`: how the operator behaves with a fleet of objects, as ratios to a floor that is measured in the same run, and as
//! figures of its process.
//!
//! The floor ([`floor`]) is a bare program that makes the same calls with the same concurrency, and nothing else.

mod aws;
mod document;
mod fleet;
mod floor;
mod kubernetes;
mod machine;
mod measures;
mod parallel;
mod plot;
mod scenarios;
mod stage;
mod usage;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::json;

use self::fleet::Fleet;
use self::machine::Machine;
pub use self::measures::Scenario;
use self::measures::{Measure, Row, notes, table};
use self::scenarios::Run;
use self::stage::Stage;
use crate::binaries::{Binaries, Profile};
use crate::control_plane::assets;
use crate::folders;
use crate::progress::{human, say};

/// What is measured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Sizes of the fleet, one run for each.
    pub objects: BTreeSet<usize>,
    /// The scenarios; all, if none is named.
    pub only: Vec<Scenario>,
    /// Edits on an idle fleet, one after the other.
    pub edits: usize,
    /// The operator's interval while nothing happens, and how long that is watched.
    pub interval: Duration,
    /// Calls at the same time: the operator's `--concurrency`, and the threads of the bare program.
    pub concurrency: usize,
    /// Where the figures are written as JSON.
    pub json: Option<PathBuf>,
    /// Whether they are written into the documentation.
    pub write: bool,
}

impl Settings {
    fn wants(&self, scenario: Scenario) -> bool {
        self.only.is_empty() || self.only.contains(&scenario)
    }

    fn check(&self) -> Result<()> {
        if self.objects.is_empty() || self.objects.contains(&0) || self.edits == 0 || self.concurrency == 0 {
            bail!("--objects, --edits and --concurrency must be 1 or more");
        }
        Ok(())
    }
}

/// Measures, and prints a table.
///
/// # Errors
/// When a part does not work, or an object does not become as it should. A limit that is exceeded is no error.
pub fn run(settings: &Settings) -> Result<()> {
    settings.check()?;
    if cfg!(debug_assertions) {
        return again_optimized();
    }
    let begin = std::time::Instant::now();
    let assets = assets::find_or_build()?;
    say("# building the operator and the simulator, optimized");
    let binaries = Binaries::build(Profile::Release)?;
    let machine = Machine::ask(&binaries, &assets);
    if machine.was_busy() {
        say("# something else is at work on this machine: times and ratios will be worse than they are");
    }
    let largest = settings.objects.last().copied();
    let mut rows = Vec::new();
    for (number, objects) in settings.objects.iter().copied().enumerate() {
        let stage = Stage::start(&binaries, &assets, Fleet { objects }, settings.concurrency)?;
        rows.extend(Run::new(settings, stage, begin).run(number == 0, Some(objects) == largest)?);
    }
    rows.extend(growth(&rows));
    rows.sort_by_key(|row| (row.measure as usize, row.objects));
    for line in machine.lines() {
        println!("{line}");
    }
    println!("concurrency {}; the whole run took {}\n", settings.concurrency, human(begin.elapsed()));
    println!("{}\n{}", table(&rows), notes(&rows));
    let figures = json!({"machine": machine, "concurrency": settings.concurrency, "figures": rows});
    if let Some(path) = &settings.json {
        fs::write(path, format!("{figures:#}\n")).with_context(|| format!("writing {}", path.display()))?;
    }
    if settings.write {
        document::write(&folders::root(), &machine, &rows, &figures)?;
    }
    let over = rows.iter().filter(|row| row.is_over()).count();
    say(&format!("# {over} of {} figures exceed their limit", rows.len()));
    Ok(())
}

/// The same command, with this program itself optimized: the floor and the watch for objects that are ready are part of it, and would
/// otherwise be slower than what they measure.
fn again_optimized() -> Result<()> {
    say("# building the benchmark, optimized");
    let mut command = folders::cargo();
    command.args(["run", "--quiet", "--release", "--locked", "--package", "xtask", "--"]);
    command.args(std::env::args_os().skip(1));
    Err(anyhow!(command.exec()).context("starting cargo"))
}

/// How the time for renames grows where one fleet is ten times another.
fn growth(rows: &[Row]) -> Vec<Row> {
    let renames = |objects: usize| rows.iter().find(|row| row.measure == Measure::Renames && row.objects == objects);
    let grown = rows.iter().filter(|row| row.measure == Measure::Renames).filter_map(|large| {
        let small = renames(large.objects.is_multiple_of(10).then_some(large.objects / 10)?)?;
        Some(Row::of(Measure::RenameGrowth, large.objects, large.operator / small.operator))
    });
    grown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_for_each_tenfold_fleet() {
        let row = |objects, seconds| Row::of(Measure::Renames, objects, seconds);
        let grown = growth(&[row(100, 2.0), row(1000, 8.0), row(3000, 20.0), row(10_000, 100.0)]);
        let told: Vec<(usize, f64, bool)> =
            grown.iter().map(|row| (row.objects, row.operator, row.is_over())).collect();
        assert_eq!(told, [(1000, 4.0, false), (10_000, 12.5, true)]);
    }
}
