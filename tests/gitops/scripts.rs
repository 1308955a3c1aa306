//! The tables of tests beside the scripts: by the interpreter alone, and by Argo CD.

use std::{collections::BTreeSet, fs, path::Path};

use jiff::Timestamp;
use serde_json::{Value, json};
use xtask::folders;

use crate::{
    customizations::{Action, ActionTest, Kind, read},
    interpreters::{ArgoCdAdmin, GopherLua},
};

const REQUESTED_AT: &str = "/metadata/annotations/bedrock-throughput.dev~1reconcile-requested-at";

#[test]
fn every_kind_has_the_health_that_its_table_says() {
    let lua = GopherLua::new();
    for kind in Kind::all() {
        let tests = kind.health_tests();
        for test in &tests {
            let health = lua.health(&kind, &test.input_path).unwrap_or_else(|error| panic!("{error:#}"));
            assert_eq!(health, test.health_status, "{}", test.input_path.display());
        }
        let tried: BTreeSet<_> = tests.into_iter().map(|test| test.input_path).collect();
        let there = folders::files_with(&kind.folder, Path::new("testdata"), "yaml").expect("a folder testdata");
        assert_eq!(tried, there.iter().map(|path| kind.folder.join(path)).collect(), "every object is in the table");
    }
}

#[test]
fn every_kind_has_the_actions_that_its_table_says() {
    let lua = GopherLua::new();
    for kind in Kind::all() {
        let tests = kind.action_tests();
        for mut test in tests.discovery_tests {
            let actions = lua.actions(&kind, &test.input_path).unwrap_or_else(|error| panic!("{error:#}"));
            test.result.sort();
            assert_eq!(actions, test.result, "{}", test.input_path.display());
            for Action { name, .. } in actions {
                assert!(tests.action_tests.iter().any(|test| test.action == name), "{name} is not tried");
            }
        }
        for test in &tests.action_tests {
            try_action(&lua, &kind, test);
        }
    }
}

fn try_action(lua: &GopherLua, kind: &Kind, test: &ActionTest) {
    let ActionTest { action, input_path, expected_output_path, expected_error_message } = test;
    let done = lua.run(&kind.action_script(action), &read(input_path));
    match (expected_output_path, expected_error_message) {
        (Some(path), None) => {
            let mut object = done.unwrap_or_else(|error| panic!("{error:#}"));
            if let Some(time) = object.pointer_mut(REQUESTED_AT) {
                assert!(time.as_str().is_some_and(|time| time.parse::<Timestamp>().is_ok()), "{time} is no time");
                *time = json!("2026-01-01T00:00:00Z");
            }
            if std::env::var_os("UPDATE_EXPECT").is_some() {
                fs::write(path, serde_saphyr::to_string(&object).expect("an object as YAML"))
                    .expect("writing testdata");
            }
            assert_eq!(object, read::<Value>(path), "{action} of {}", input_path.display());
        }
        (None, Some(message)) => {
            let error = format!("{:#}", done.expect_err("the action fails"));
            assert!(error.contains(message), "{error}");
        }
        (Some(_), Some(_)) | (None, None) => panic!("{action} has either an output or an error"),
    }
}

#[test]
fn a_script_sees_no_more_libraries_than_in_argo_cd() {
    let lua = GopherLua::new();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.lua");
    let run = |text: &str| {
        fs::write(&script, text).unwrap();
        lua.run(&script, &json!({"text": "a\"ü\n", "list": [1, "b", true]}))
    };
    assert_eq!(run("return {obj.text, #obj.list, table.concat({1, 2})}").unwrap(), json!(["a\"ü\n", 3, "12"]));
    for beyond in ["string.upper('a')", "('a'):upper()", "math.abs(1)", "io.write('a')", "os.exit(0)", "require('io')"]
    {
        assert!(run(&format!("return {{{beyond}}}")).is_err(), "{beyond} is there");
    }
}

#[test]
#[ignore = "cargo xtask test --gitops"]
fn argo_cd_comes_to_what_the_interpreter_alone_comes_to() {
    let (lua, argocd) = (GopherLua::new(), ArgoCdAdmin::new());
    for kind in Kind::all() {
        for test in kind.health_tests() {
            let path = &test.input_path;
            let health = argocd.health(path).unwrap_or_else(|error| panic!("{error:#}"));
            assert_eq!(health, lua.health(&kind, path).expect("a health"), "{}", path.display());
            let actions = argocd.actions(path).unwrap_or_else(|error| panic!("{error:#}"));
            let expected = lua.actions(&kind, path).expect("actions");
            let expected: Vec<_> = expected.into_iter().map(|action| (action.name, action.disabled)).collect();
            assert_eq!(actions, expected, "{}", path.display());
        }
        for test in kind.action_tests().action_tests {
            let done = argocd.run(&test.action, &test.input_path);
            let Some(expected) = &test.expected_output_path else {
                assert!(done.is_err(), "{} of {} does not fail", test.action, test.input_path.display());
                continue;
            };
            let changed = changes(&read(&test.input_path), &read(expected));
            let added = done.unwrap_or_else(|error| panic!("{error:#}"));
            for (key, value) in changed {
                let there = |line: &String| line.starts_with(&format!("{key}:")) && line.contains(&value);
                let when = key.ends_with("reconcile-requested-at");
                let there_with_a_time = |line: &String| when && line.starts_with(&format!("{key}:"));
                assert!(
                    added.iter().any(|line| there(line) || there_with_a_time(line)),
                    "{} does not put {key}: {value} there, but {added:?}",
                    test.action
                );
            }
        }
    }
}

/// Keys and values that one value has and the other has not, or not so.
fn changes(before: &Value, after: &Value) -> Vec<(String, String)> {
    let Value::Object(members) = after else { return Vec::new() };
    let of = |(key, value): (&String, &Value)| match (before.get(key), value) {
        (before, Value::Object(_)) => changes(before.unwrap_or(&Value::Null), value),
        (before, value) if before == Some(value) => Vec::new(),
        (_, Value::String(text)) => vec![(key.clone(), text.clone())],
        (_, value) => vec![(key.clone(), value.to_string())],
    };
    members.iter().flat_map(of).collect()
}
