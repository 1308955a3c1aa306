//! The rules as files: what promtool says of them, and their runbooks.

use std::{collections::BTreeSet, process::Command};

use xtask::process;

use crate::scraped::{RULES, path, programs, read, shortened};

fn promtool(arguments: &[&str], file: &str) -> String {
    let mut command = Command::new(&programs().promtool);
    process::output(command.args(arguments).arg(path(file))).unwrap_or_else(|error| panic!("{error:#}"))
}

#[test]
fn promtool_has_nothing_to_say_about_the_rules() {
    promtool(&["check", "rules", "--lint-fatal"], RULES);
}

#[test]
fn each_alert_fires_from_its_time_on_and_no_other_does() {
    promtool(&["test", "rules"], "tests/monitoring/rules.test.yaml");
    let tests = read("tests/monitoring/rules.test.yaml");
    for alert in alerts() {
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "{alert} has no test in rules.test.yaml");
    }
}

#[test]
fn each_alert_has_a_severity_and_a_runbook_and_each_runbook_an_alert() {
    let rules = read(RULES);
    let blocks: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    for block in &blocks {
        let name = block.lines().next().unwrap_or_default();
        let link = format!("runbook_url: docs/runbooks.md#{}\n", name.to_lowercase());
        assert!(block.contains(&link), "{name} links to another runbook than {link}");
        let severities = ["critical", "warning", "info"].map(|severity| format!("severity: {severity}\n"));
        assert!(severities.iter().any(|severity| block.contains(severity)), "{name} has no severity");
        assert!(block.contains("summary: ") && block.contains("description: "), "{name}");
    }
    let runbooks = read("docs/runbooks.md");
    let sections: BTreeSet<&str> =
        runbooks.lines().filter_map(|line| line.strip_prefix("## ")).filter(|section| !section.contains(' ')).collect();
    assert_eq!(sections, alerts().iter().map(String::as_str).collect());
    for section in runbooks.split("\n## ").skip(1).filter(|section| section.starts_with("BedrockThroughput")) {
        for part in ["**Meaning.**", "**Impact.**", "**Diagnosis.**", "**Mitigation.**"] {
            assert!(section.contains(part), "no {part} in {}", section.lines().next().unwrap_or_default());
        }
    }
}

/// What the live tests evaluate is the same but for the times.
#[test]
fn the_shortened_rules_differ_in_their_times_alone() {
    let (rules, shorter) = (read(RULES), shortened(&read(RULES)));
    assert_eq!(rules.lines().count(), shorter.lines().count());
    for (line, short) in rules.lines().zip(shorter.lines()).filter(|(line, short)| line != short) {
        let is_wait = line.trim().starts_with("for: ") || line.trim().starts_with("keep_firing_for: ");
        let is_span = line.contains("[15m]") || line.ends_with(" <= 15 * 60");
        assert!(is_wait || is_span, "{line} became {short}");
    }
    assert!(shorter.contains(" for: 4000ms\n") && !shorter.contains(" for: 2h\n"), "{shorter}");
}

/// The names of the alerts, each once.
fn alerts() -> BTreeSet<String> {
    let rules = read(RULES);
    let names = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}
