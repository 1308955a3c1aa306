//! Holds the table of `docs/design.md`: which station may know which. Read from the `use` lines.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The pure stations: they take the clock as an argument and know no client, no SDK and no runtime. A folder of the same name belongs to
/// its station.
const PURE: [(&str, &[&str]); 15] = [
    ("schedule", &[]),
    ("election", &[]),
    ("identifiers", &[]),
    ("budget", &["identifiers", "schedule"]),
    ("conditions", &[]),
    ("owner", &[]),
    ("crd", &["identifiers"]),
    ("calls", &["crd", "identifiers"]),
    ("observed", &["calls", "identifiers", "owner"]),
    ("desired", &["crd", "identifiers", "owner"]),
    ("history", &["calls", "conditions", "crd", "observed"]),
    ("plan", &["calls", "conditions", "crd", "desired", "history", "identifiers", "observed", "owner", "schedule"]),
    ("warnings", &["conditions", "crd", "observed", "outcome", "schedule"]),
    (
        "outcome",
        &[
            "bedrock",
            "budget",
            "calls",
            "conditions",
            "crd",
            "desired",
            "history",
            "identifiers",
            "observed",
            "owner",
            "plan",
            "schedule",
            "warnings",
        ],
    ),
    ("claims", &["desired", "identifiers", "observed", "owner"]),
];

/// What no pure station names.
const EFFECTS: [&str; 7] =
    ["aws_", "tokio", "kube::Client", "kube::Api", "kube::runtime", "Timestamp::now", "Instant::now"];

/// The files of a station, without their tests, which may use whatever they like.
fn sources(name: &str) -> Vec<(PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = vec![src.join(format!("{name}.rs"))];
    if let Ok(folder) = fs::read_dir(src.join(name)) {
        paths.extend(
            folder
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension() == Some("rs".as_ref()) && path.file_stem() != Some("tests".as_ref())),
        );
    }
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// The modules of this crate that a file names.
fn known(text: &str) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = text[at + "crate::".len()..].trim_start();
        match rest.strip_prefix('{') {
            Some(group) => {
                // The first word of each entry at the top of the group.
                let (mut depth, mut entry) = (0, String::new());
                for character in group.chars() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            known.insert(first_word(&entry));
                            entry.clear();
                            continue;
                        }
                        _ => {}
                    }
                    entry.push(character);
                }
                known.insert(first_word(&entry));
            }
            None => {
                known.insert(first_word(rest));
            }
        }
    }
    known.remove("");
    known
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

#[test]
fn pure_stations_know_only_what_they_may() {
    for (name, allowed) in PURE {
        let mut used = BTreeSet::new();
        for (path, text) in sources(name) {
            let path = path.display();
            for module in known(&text) {
                assert!(
                    allowed.contains(&module.as_str()),
                    "{path} uses crate::{module}, and {name} may use {allowed:?}"
                );
                used.insert(module);
            }
            for effect in EFFECTS {
                assert!(!text.contains(effect), "{path} is pure, and names {effect}");
            }
        }
        let unused: Vec<_> = allowed.iter().filter(|module| !used.contains(**module)).collect();
        assert!(unused.is_empty(), "{name} does not use {unused:?}: take it out of the table");
    }
}

#[test]
fn a_station_is_its_file_and_its_folder() {
    let files: Vec<_> = sources("plan").into_iter().map(|(path, _)| path.file_name().unwrap().to_owned()).collect();
    for file in ["plan.rs", "purchase.rs", "gate.rs"] {
        assert!(files.contains(&file.into()), "{files:?}");
    }
}

#[test]
fn one_file_names_the_aws_sdk() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name() != Some("architecture.rs".as_ref())
                && fs::read_to_string(&path).unwrap().contains("aws_sdk_bedrock")
            {
                found.push(path.file_name().unwrap().to_owned());
            }
        }
    }
    assert_eq!(found, ["sdk.rs"]);
}
