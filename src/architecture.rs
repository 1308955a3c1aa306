//! Holds the table of `docs/design.md`: which station may know which. Read from the `use` lines.

use std::{collections::BTreeSet, fs, path::Path};

/// The pure stations: they take the clock as an argument and know no client, no SDK and no runtime.
const PURE: [(&str, &[&str]); 10] = [
    ("schedule", &[]),
    ("identifiers", &[]),
    ("conditions", &[]),
    ("crd", &["identifiers"]),
    ("observed", &["crd", "identifiers"]),
    ("desired", &["crd", "identifiers"]),
    ("history", &["conditions", "crd", "observed"]),
    ("plan", &["conditions", "crd", "desired", "history", "identifiers", "observed", "schedule"]),
    ("outcome", &["bedrock", "conditions", "crd", "desired", "history", "observed", "plan"]),
    ("claims", &["crd", "desired", "identifiers", "observed"]),
];

/// What no pure station names.
const EFFECTS: [&str; 7] =
    ["aws_", "tokio", "kube::Client", "kube::Api", "kube::runtime", "Timestamp::now", "Instant::now"];

fn source(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(format!("{name}.rs"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // Tests may use whatever they like.
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
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
        let text = source(name);
        for module in known(&text) {
            assert!(allowed.contains(&module.as_str()), "src/{name}.rs uses crate::{module}, and may use {allowed:?}");
        }
        for effect in EFFECTS {
            assert!(!text.contains(effect), "src/{name}.rs is pure, and names {effect}");
        }
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
