//! What runs the scripts: GopherLua alone, with what Argo CD lets a script see, and Argo CD itself.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use xtask::{argocd, folders, glua, process};

use crate::customizations::{Action, Health, Kind, read};

/// GopherLua's interpreter, which is the one in Argo CD.
pub struct GopherLua(PathBuf);

/// Before a script: a way to print what it returns, and then only what Argo CD lets a script see whose libraries were not opened: of the
/// standard libraries `base`, `package` and `table`, and of `os` the time.
const PRELUDE: &str = r#"
local print, pairs, type, tostring = print, pairs, type, tostring
local concat, gsub, format, byte = table.concat, string.gsub, string.format, string.byte
local function json(value)
  if type(value) == "string" then
    return '"' .. gsub(value, '[%c"\\]', function(c) return format("\\u%04x", byte(c)) end) .. '"'
  elseif type(value) ~= "table" then
    return tostring(value)
  end
  local parts = {}
  if #value > 0 then
    for _, item in ipairs(value) do parts[#parts + 1] = json(item) end
    return "[" .. concat(parts, ",") .. "]"
  end
  for key, item in pairs(value) do parts[#parts + 1] = json(tostring(key)) .. ":" .. json(item) end
  return "{" .. concat(parts, ",") .. "}"
end
getmetatable("").__index = nil
os = {date = os.date, time = os.time}
for _, name in ipairs({"io", "debug", "string", "math", "coroutine", "channel"}) do
  _G[name] = nil
  package.loaded[name] = nil
end
package.loaded.os = os
"#;

impl GopherLua {
    /// Builds it where it is not there.
    pub fn new() -> Self {
        Self(glua::find_or_build().expect("building GopherLua's interpreter"))
    }

    /// What a script returns for an object; an error of the script with its words.
    pub fn run(&self, script: &Path, object: &Value) -> Result<Value> {
        let text = fs::read_to_string(script).with_context(|| format!("reading {}", script.display()))?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("script.lua");
        let object = literal(object);
        fs::write(&file, format!("{PRELUDE}obj = {object}\nprint(json((function()\n{text}\nend)()))\n"))?;
        // Where the script fails, it says so on standard output.
        let output = Command::new(&self.0).arg(&file).output().context("starting GopherLua's interpreter")?;
        let said = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "{} failed: {}", script.display(), said.trim());
        serde_json::from_str(&said).with_context(|| format!("{} returned no table but {said:?}", script.display()))
    }

    /// The health of an object.
    pub fn health(&self, kind: &Kind, object: &Path) -> Result<Health> {
        Ok(serde_json::from_value(self.run(&kind.health_script(), &read(object))?)?)
    }

    /// The actions for an object, sorted by name.
    pub fn actions(&self, kind: &Kind, object: &Path) -> Result<Vec<Action>> {
        let actions: BTreeMap<String, Value> =
            serde_json::from_value(self.run(&kind.discovery_script(), &read(object))?)?;
        let action = |(name, mut value): (String, Value)| {
            value["name"] = Value::String(name);
            Ok(serde_json::from_value(value)?)
        };
        actions.into_iter().map(action).collect()
    }
}

/// A value as Lua's source code has it.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("{{{}}}", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| format!("[{}] = {}", quoted(key), literal(value));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'"' && byte != b'\\' => quoted.push(char::from(byte)),
            _ => {
                let _ = write!(quoted, "\\{byte:03}");
            }
        }
    }
    quoted + "\""
}

/// Argo CD's own command for trying its settings, with the settings that are shipped.
pub struct ArgoCdAdmin(PathBuf);

impl ArgoCdAdmin {
    /// Builds it where it is not there.
    pub fn new() -> Self {
        Self(argocd::find_or_build().expect("building Argo CD").argocd)
    }

    fn ask(&self, question: &[&str], object: &Path) -> Result<String> {
        let mut command = Command::new(&self.0);
        command.args(["admin", "settings", "resource-overrides", question[0]]).arg(object).args(&question[1..]);
        command.arg("--argocd-cm-path").arg(folders::root().join("deploy/argocd/argocd-cm.yaml"));
        // It asks no cluster.
        command.env("KUBECONFIG", "/nonexistent").env("ARGOCD_BINARY_NAME", "argocd");
        process::output(&mut command)
    }

    /// The health of an object.
    pub fn health(&self, object: &Path) -> Result<Health> {
        let said = self.ask(&["health"], object)?;
        let rest = said.strip_prefix("STATUS: ").with_context(|| said.clone())?;
        let (status, message) = rest.split_once("\nMESSAGE: ").with_context(|| said.clone())?;
        Ok(Health { status: status.to_owned(), message: message.trim_end().to_owned() })
    }

    /// Names of the actions for an object, and whether they cannot be taken, sorted.
    pub fn actions(&self, object: &Path) -> Result<Vec<(String, bool)>> {
        let said = self.ask(&["list-actions"], object)?;
        let row = |line: &str| match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            [name, disabled] => Ok(((*name).to_owned(), disabled.parse()?)),
            _ => bail!("a line of list-actions is {line:?}"),
        };
        said.lines().skip(1).map(row).collect()
    }

    /// The lines that an action puts into an object.
    pub fn run(&self, action: &str, object: &Path) -> Result<Vec<String>> {
        let said = self.ask(&["run-action", action], object)?;
        let added = said.lines().filter_map(|line| line.strip_prefix("> "));
        Ok(added.map(|line| line.trim().to_owned()).collect())
    }
}
