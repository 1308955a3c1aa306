//! What is served at `/metrics`, in both formats, against the list of metrics.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    process::{Command, Stdio},
};

use bedrock_throughput_operator::metrics::descriptors::{ALL, Kind};
use serde_json::json;

use crate::{
    scraped::programs,
    support::{
        aws::{ARN, Aws},
        environment::Environment,
        object::manifest,
    },
};

/// A series: its name, and the names of its labels.
type Series<'a> = (&'a str, Vec<&'a str>);

/// What a format's text says: the kinds of its families by name, and each series.
fn told(text: &str) -> (BTreeMap<&str, &str>, Vec<Series<'_>>) {
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let series = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (name, rest) = line.split_once(['{', ' ']).expect("a series has a value");
        // No value of a label has a comma or a brace.
        let labels = rest.split_once('}').map_or(Vec::new(), |(labels, _)| {
            labels.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| name).collect()
        });
        (name, labels)
    });
    (kinds, series.collect())
}

#[test]
fn what_a_running_operator_serves_is_what_is_listed_and_promtool_has_nothing_to_say_about_it() {
    let env = Environment::new(Aws::start());
    let spec = json!({"provisionedModelId": ARN, "provisionedModelName": "renamed"});
    env.cluster.apply(&manifest("summarizer", spec));
    env.wait_until_ready("summarizer");
    // Passes are counted when they are over.
    env.wait_until("summarizer", "a pass is over", || {
        env.operator.get("/metrics").is_ok_and(|text| text.contains("reconciles_total{reason=\"InService\"}"))
    });

    let text = env.operator.get("/metrics").expect("/metrics");
    let (kinds, series) = told(&text);
    let listed: BTreeMap<String, &str> = ALL
        .iter()
        .map(|one| {
            // The older format knows no info.
            let kind = if one.kind == Kind::Info { "gauge" } else { one.kind.as_str() };
            (one.full_name(), kind)
        })
        .collect();
    assert_eq!(kinds.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect::<BTreeMap<_, _>>(), listed);
    for (name, labels) in series {
        let one = ALL
            .iter()
            .filter(|one| name.starts_with(&one.full_name()))
            .max_by_key(|one| one.full_name().len())
            .unwrap_or_else(|| panic!("{name} is not listed"));
        let labels: BTreeSet<&str> = labels.into_iter().filter(|label| *label != "le").collect();
        assert_eq!(labels, one.labels.iter().copied().collect(), "{name}");
    }
    assert!(!text.contains("arn:"), "{text}");

    let open_metrics = env.operator.get_as("/metrics", "application/openmetrics-text").expect("/metrics");
    assert!(open_metrics.ends_with("# EOF\n") && open_metrics.contains("# TYPE bedrock_throughput_build info\n"));

    let mut promtool = Command::new(&programs().promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starting promtool");
    promtool.stdin.take().expect("its input").write_all(text.as_bytes()).expect("writing to promtool");
    let said = promtool.wait_with_output().expect("waiting for promtool");
    let words = [said.stdout, said.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(said.status.success() && words.is_empty(), "{}: {words}", said.status);
}
