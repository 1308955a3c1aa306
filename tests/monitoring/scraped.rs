//! An operator whose metrics a Prometheus of its own scrapes.

use std::{collections::BTreeSet, path::PathBuf, sync::OnceLock, time::Duration};

use anyhow::ensure;
use regex::{Captures, Regex};
use xtask::{
    folders,
    prometheus::{self, Alert, Prometheus, Server},
    wait::wait_until,
};

use crate::support::environment::{Environment, PATIENCE};

/// How often is scraped and evaluated.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long any of the shortened alerts waits before it fires.
pub const LONGEST_WAIT: Duration = Duration::from_secs(16);

/// The rules as they are shipped, relative to the checkout.
pub const RULES: &str = "charts/bedrock-throughput-operator/files/rules.yaml";
/// The dashboard as it is shipped.
pub const DASHBOARD: &str = "charts/bedrock-throughput-operator/files/dashboard.json";

/// A file of the checkout.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(folders::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The programs.
pub fn programs() -> &'static Prometheus {
    static PROGRAMS: OnceLock<Prometheus> = OnceLock::new();
    PROGRAMS.get_or_init(|| prometheus::find_or_build().expect("building Prometheus"))
}

/// A file for promtool, relative to the checkout.
pub fn path(path: &str) -> PathBuf {
    folders::root().join(path)
}

/// A Prometheus that scrapes the operator of an environment, with the shortened rules.
pub fn scrape(env: &Environment) -> Server {
    let rules = shortened(&read(RULES));
    Server::start(&programs().server, env.operator.address(), &rules, INTERVAL).expect("starting Prometheus")
}

/// The rules in another time, so that a test need not take hours: what an alert waits for, minutes, is 0.8 seconds for each, and 16 at most; what
/// it is kept for afterwards is a second. The rest is as it is: dates, and the time over which calls are counted, which are as rare as ever.
pub fn shortened(rules: &str) -> String {
    let waits = Regex::new(r"(?m)(?<key>\bfor|keep_firing_for): (?<number>\d+)(?<unit>[mh])$").expect("a regex");
    let shorter = |found: &Captures<'_>| {
        let minutes = found["number"].parse::<u64>().expect("a number") * if &found["unit"] == "h" { 60 } else { 1 };
        let milliseconds = if &found["key"] == "for" { (minutes * 800).min(16_000) } else { 1000 };
        format!("{}: {milliseconds}ms", &found["key"])
    };
    let mut rules = waits.replace_all(rules, shorter).into_owned();
    // Fifteen minutes in which no look has succeeded, and in which no pass has ended.
    for (long, short) in [
        ("age_seconds:min <= 15 * 60\n", "age_seconds:min <= 12\n"),
        ("_queue_depth[15m]", "_queue_depth[9s]"),
        ("_reconcile_duration_seconds_count[15m]", "_reconcile_duration_seconds_count[9s]"),
    ] {
        assert_eq!(rules.matches(long).count(), 1, "{long}");
        rules = rules.replace(long, short);
    }
    rules
}

/// An alert in short: `Name severity namespace/name` or what else it is about.
pub fn in_short(alert: &Alert) -> String {
    let label = |name: &str| alert.labels.get(name).map(String::as_str).unwrap_or_default();
    let about = [label("name"), label("reason"), label("region")].join(" ");
    let name = label("alertname").trim_start_matches("BedrockThroughput");
    [name, label("severity"), &about].join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Waits until all of these alerts fire, and fails when another one does before that or in some seconds afterwards.
pub fn expect_alerts(env: &Environment, server: &Server, expected: &[&str]) {
    let expected: BTreeSet<String> = expected.iter().map(|&alert| alert.to_owned()).collect();
    let mut seen = BTreeSet::new();
    let all = wait_until(PATIENCE, "the alerts fire", || {
        seen.extend(firing(server)?);
        ensure!(expected.is_subset(&seen), "expected: {expected:#?}\nfiring: {seen:#?}");
        Ok(())
    });
    let tell = || format!("{:#?}\nthe log of the operator:\n{}", server.alerts(), env.operator.log_tail());
    all.unwrap_or_else(|error| panic!("{error:#}\n{}", tell()));
    // What is wrong by now has fired when the longest wait is over.
    let quiet = watch(server, LONGEST_WAIT, &mut seen);
    quiet.unwrap_or_else(|error| panic!("{error:#}\n{}", tell()));
    assert_eq!(seen, expected, "other alerts fired\n{}", tell());
    server.check().unwrap_or_else(|error| panic!("{error:#}"));
}

/// Waits until no alert fires any more.
pub fn expect_silence(server: &Server) {
    let silent = wait_until(PATIENCE, "no alert fires", || {
        let firing = firing(server)?;
        ensure!(firing.is_empty(), "{firing:#?}");
        Ok(())
    });
    silent.unwrap_or_else(|error| panic!("{error:#}"));
}

/// Gathers what fires while so much time goes by on Prometheus' clock.
pub fn watch(server: &Server, time: Duration, seen: &mut BTreeSet<String>) -> anyhow::Result<()> {
    let now = || anyhow::Ok(server.query("time()")?.first().map_or(0.0, |sample| sample.value));
    let end = now()? + time.as_secs_f64();
    wait_until(time + PATIENCE, "the time is over", || {
        seen.extend(firing(server)?);
        ensure!(now()? >= end, "it is not over");
        Ok(())
    })
}

fn firing(server: &Server) -> anyhow::Result<BTreeSet<String>> {
    let alerts = server.alerts()?;
    for alert in alerts.iter().filter(|alert| alert.state == "firing") {
        for text in alert.annotations.values() {
            assert!(!text.contains("<no value>") && !text.contains("error"), "{alert:#?}");
        }
    }
    Ok(alerts.iter().filter(|alert| alert.state == "firing").map(in_short).collect())
}
