//! The figures in the documentation: a block of `docs/benchmarks.md`, and beside it JSON and a plot.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::machine::Machine;
use super::measures::{Measure, Row, notes, table};
use super::plot::{self, Line, Panel};
use crate::progress::say;

const DOCUMENT: &str = "docs/benchmarks.md";
const FIGURES: &str = "docs/benchmarks/figures.json";
const PLOT: &str = "docs/benchmarks/growth.svg";

const BEGIN: &str = "<!-- measured by `cargo xtask bench --write` -->";
const END: &str = "<!-- /measured -->";

/// Writes the figures.
pub(super) fn write(root: &Path, machine: &Machine, rows: &[Row], figures: &Value) -> Result<()> {
    let path = root.join(DOCUMENT);
    let document = fs::read_to_string(&path).with_context(|| format!("reading {DOCUMENT}"))?;
    put(&path, DOCUMENT, &filled(&document, &block(machine, rows))?)?;
    put(&root.join(FIGURES), FIGURES, &format!("{figures:#}\n"))?;
    put(&root.join(PLOT), PLOT, &plot::svg(&panels(rows)))
}

fn put(path: &Path, name: &str, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making the folder of {name}"))?;
    }
    fs::write(path, text).with_context(|| format!("writing {name}"))?;
    say(&format!("wrote {name}"));
    Ok(())
}

fn block(machine: &Machine, rows: &[Row]) -> String {
    let facts: Vec<String> = machine.lines().iter().map(|line| format!("- {line}")).collect();
    format!(
        "{}\n\n{}\nNotes:\n\n{}\n![Growth with the number of objects](benchmarks/growth.svg)\n\n\
         [All figures as JSON](benchmarks/figures.json): times in seconds, memory in bytes, and each single measurement.",
        facts.join("\n"),
        table(rows),
        notes(rows)
    )
}

/// The document with this text between the markers.
fn filled(document: &str, block: &str) -> Result<String> {
    let missing = || format!("{DOCUMENT} has no lines {BEGIN} and {END}");
    let (before, rest) = document.split_once(BEGIN).with_context(missing)?;
    let (_, after) = rest.split_once(END).with_context(missing)?;
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", block.trim()))
}

fn panels(rows: &[Row]) -> Vec<Panel> {
    let times = |title, measure| {
        let lines = vec![
            Line { name: "operator", points: points(rows, measure, |row| Some(row.operator)) },
            Line { name: "floor", points: points(rows, measure, |row| row.floor) },
        ];
        Panel { title, unit: "s", lines }
    };
    let mebibytes = |row: &Row| Some(row.operator / 1024.0 / 1024.0);
    let memory = vec![
        Line { name: "resident", points: points(rows, Measure::Resident, mebibytes) },
        Line { name: "peak while starting", points: points(rows, Measure::Peak, mebibytes) },
    ];
    vec![
        times("All objects renamed", Measure::Renames),
        times("All objects checked after a start", Measure::Start),
        Panel { title: "Memory", unit: "MiB", lines: memory },
    ]
}

#[allow(clippy::cast_precision_loss, reason = "a number of objects")]
fn points(rows: &[Row], measure: Measure, value: impl Fn(&Row) -> Option<f64>) -> Vec<(f64, f64)> {
    let of = rows.iter().filter(|row| row.measure == measure);
    of.filter_map(|row| Some((row.objects as f64, value(row)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_is_replaced_and_the_rest_stays() {
        let document = format!("# Title\n\n{BEGIN}\nold\n{END}\n\nmore\n");
        let text = filled(&document, "new\n").unwrap();
        assert_eq!(text, format!("# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\nmore\n"));
        assert_eq!(filled(&text, "new").unwrap(), text);
        assert!(filled("# Title\n", "new").unwrap_err().to_string().contains(DOCUMENT));
    }

    #[test]
    fn a_panel_has_the_points_of_its_measure() {
        let rows = [Row::of(Measure::Start, 1000, 0.5), Row::of(Measure::Renames, 100, 3.0)];
        assert_eq!(points(&rows, Measure::Start, |row| Some(row.operator)), [(1000.0, 0.5)]);
        assert_eq!(points(&rows, Measure::Start, |row| row.floor), []);
        assert_eq!(panels(&rows).len(), 3);
    }
}
