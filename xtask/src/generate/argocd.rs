//! Argo CD's settings for our kinds, from the scripts that are laid out as Argo CD takes contributed ones.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{Wanted, header, read};

/// The folder with a folder for each group, and in it one for each kind.
const SOURCE: &str = "deploy/argocd/resource_customizations";
const CONFIG_MAP: &str = "deploy/argocd/argocd-cm.yaml";

/// The `ConfigMap` of Argo CD with what concerns our kinds, and nothing else: it is applied over the one that is there.
pub(super) fn config_map(root: &Path) -> Result<Option<Wanted>> {
    let mut data = String::new();
    for group in folders_in(&root.join(SOURCE))? {
        for kind in folders_in(&group)? {
            let key = format!("{}_{}", name(&group)?, name(&kind)?);
            let health = script(&kind.join("health.lua"))?;
            let _ = write!(data, "  resource.customizations.health.{key}: |\n{}", indented(&health, 4));
            if kind.join("actions").is_dir() {
                let _ = write!(
                    data,
                    "  resource.customizations.actions.{key}: |\n{}",
                    indented(&actions(&kind.join("actions"))?, 4)
                );
            }
        }
    }
    if data.is_empty() {
        return Ok(None);
    }
    let header = header(SOURCE);
    let text = format!(
        "{header}# Adds health checks and actions to Argo CD, and leaves its other settings as they are:\n\
         # kubectl patch configmap argocd-cm --namespace argocd --patch-file {CONFIG_MAP}\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\n  namespace: argocd\n  labels:\n    \
         app.kubernetes.io/name: argocd-cm\n    app.kubernetes.io/part-of: argocd\ndata:\n{data}"
    );
    Ok(Some(Wanted { path: CONFIG_MAP.into(), text: Some(text) }))
}

/// The actions of a kind, as they stand in the value of a key.
fn actions(folder: &Path) -> Result<String> {
    let discovery = script(&folder.join("discovery.lua"))?;
    let mut text = format!("discovery.lua: |\n{}definitions:\n", indented(&discovery, 2));
    for action in folders_in(folder)? {
        let path = action.join("action.lua");
        if path.is_file() {
            let _ = write!(text, "- name: {}\n  action.lua: |\n{}", name(&action)?, indented(&script(&path)?, 4));
        }
    }
    Ok(text)
}

fn script(path: &Path) -> Result<String> {
    read(path)?.with_context(|| format!("there is no {}", path.display()))
}

fn indented(text: &str, by: usize) -> String {
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("{:by$}{line}\n", "") };
    text.lines().map(line).collect()
}

fn name(folder: &Path) -> Result<&str> {
    folder.file_name().and_then(|name| name.to_str()).with_context(|| format!("{} has no name", folder.display()))
}

/// The folders in a folder, sorted; none when there is no such folder.
fn folders_in(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let reading = || format!("reading the folder {}", folder.display());
    let entries: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(reading)?
        .map(|entry| Ok(entry.with_context(reading)?.path()))
        .collect::<Result<_>>()?;
    let mut folders: Vec<PathBuf> = entries.into_iter().filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_have_every_script_of_every_kind() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(SOURCE).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(config_map(root.path()).unwrap(), None);
        write("a.dev/Thing/health.lua", "-- one\n\nreturn {}\n");
        write("a.dev/Other/health.lua", "return nil\n");
        write("a.dev/Thing/actions/discovery.lua", "return {go = {}}\n");
        write("a.dev/Thing/actions/go/action.lua", "return obj\n");
        write("a.dev/Thing/actions/testdata/go.yaml", "kind: Thing\n");
        let text = config_map(root.path()).unwrap().unwrap().text.unwrap();
        for part in [
            "  resource.customizations.health.a.dev_Other: |\n    return nil\n",
            "  resource.customizations.health.a.dev_Thing: |\n    -- one\n\n    return {}\n",
            "  resource.customizations.actions.a.dev_Thing: |\n    discovery.lua: |\n      return {go = {}}\n    definitions:\n    \
             - name: go\n      action.lua: |\n        return obj\n",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("name: testdata"), "{text}");
    }
}
