//! Manifests from files, folders and standard input.

use std::{
    collections::HashMap,
    fmt, fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use kube::{Resource as _, ResourceExt as _};
use serde_json::Value;

use super::admission::{Admission, Refusal};
use crate::crd::{GROUP, ProvisionedThroughput};

/// What stands for standard input.
const STDIN: &str = "-";

/// The most of a file that is read, in bytes: more than a cluster full of objects has.
const FILE_MAX: u64 = 64 << 20;

/// The longest name of a namespace (RFC 1123 label), and of an object (RFC 1123 subdomain), in characters.
const LABEL_MAX: usize = 63;
const SUBDOMAIN_MAX: usize = 253;

/// Where a manifest stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file as it was named or found; `-` for standard input.
    pub file: String,
    /// Which document of the file that is not empty, counted from 1.
    pub document: usize,
    /// Which item of that document, where it is a List, counted from 1.
    pub item: Option<usize>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, document, item } = self;
        write!(f, "{}, document {document}", shown(file))?;
        item.map_or(Ok(()), |item| write!(f, ", item {item}"))
    }
}

fn shown(file: &str) -> &str {
    if file == STDIN { "standard input" } else { file }
}

/// A manifest that the API server would take.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Where it stands.
    pub origin: Origin,
    /// What it says, with the defaults filled in. Of `metadata` it has the name, the namespace and the annotations, and no `status`: what
    /// else a file says there the API server does not take from it.
    pub object: ProvisionedThroughput,
}

impl Manifest {
    /// A line about what the API server would refuse of it.
    #[must_use]
    pub fn problem(&self, refusal: &Refusal) -> String {
        let (namespace, name) = (self.object.namespace().unwrap_or_default(), self.object.name_any());
        format!("{}: {refusal}", of(&self.origin, &namespace, &name))
    }
}

/// What was read.
#[derive(Debug, Default)]
pub struct Manifests {
    /// The manifests, in the order of the files.
    pub manifests: Vec<Manifest>,
    /// What could not be read, and what the API server would refuse, one line each.
    pub problems: Vec<String>,
    /// How many documents are none of ours.
    pub passed_over: usize,
}

impl Manifests {
    /// Reads files, folders (all of their `*.yaml`, `*.yml` and `*.json`, and those of the folders in them, but for what is hidden), and `-` for
    /// standard input. `namespace` is the only one that they may name, where there is one; `default` is for manifests that name none.
    #[must_use]
    pub fn read(paths: &[PathBuf], namespace: Option<&str>, default: &str, admission: &Admission) -> Self {
        let mut reader = Reader { read: Self::default(), namespace, default, admission, seen: HashMap::new() };
        for path in paths {
            match files(path) {
                Ok(files) => files.iter().for_each(|file| reader.file(file)),
                Err((path, error)) => reader.problem(&path.display().to_string(), &format!("cannot be read: {error}")),
            }
        }
        reader.read
    }
}

/// The files that a path stands for, in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    if path == Path::new(STDIN) || !fs::metadata(path).map_err(failed(path))?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries =
        fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<fs::DirEntry>>>).map_err(failed(path))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut found = Vec::new();
    for entry in entries.iter().filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b".")) {
        let path = entry.path();
        // A link to a folder is not followed: it may lead in circles.
        if entry.file_type().map_err(failed(&path))?.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|of| extension == *of))
            && !path.is_dir()
        {
            found.push(path);
        }
    }
    Ok(found)
}

struct Reader<'a> {
    read: Manifests,
    namespace: Option<&'a str>,
    default: &'a str,
    admission: &'a Admission,
    /// The manifests so far, by namespace and name.
    seen: HashMap<(String, String), Origin>,
}

impl Reader<'_> {
    fn problem(&mut self, of: &str, problem: &str) {
        self.read.problems.push(format!("{of}: {problem}"));
    }

    fn file(&mut self, path: &Path) {
        let file = path.display().to_string();
        match documents(path) {
            Ok(documents) => {
                for (index, document) in documents.into_iter().enumerate() {
                    self.document(document, &Origin { file: file.clone(), document: index + 1, item: None });
                }
            }
            Err(problem) => self.problem(shown(&file), &problem),
        }
    }

    fn document(&mut self, document: Value, origin: &Origin) {
        let word = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (api_version, kind) = (word("apiVersion"), word("kind"));
        let (group, _) = api_version.split_once('/').unwrap_or_default();
        let ours = ProvisionedThroughput::kind(&());
        let is_list = (api_version == "v1" && kind == "List") || (group == GROUP && kind == format!("{ours}List"));
        if is_list {
            let items = document.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            for (index, item) in items.into_iter().enumerate() {
                self.document(item, &Origin { item: Some(index + 1), ..origin.clone() });
            }
        } else if group != GROUP {
            self.read.passed_over += 1;
        } else if kind != ours || api_version != ProvisionedThroughput::api_version(&()) {
            let known = ProvisionedThroughput::api_version(&());
            let problem =
                format!("there is no kind {kind:?} in {api_version:?}: write kind: {ours} and apiVersion: {known}");
            self.problem(&origin.to_string(), &problem);
        } else {
            self.manifest(document, origin);
        }
    }

    fn manifest(&mut self, mut document: Value, origin: &Origin) {
        let metadata = document.get("metadata").cloned().unwrap_or_default();
        let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
        let name = text("name").unwrap_or_default();
        let given = text("namespace").filter(|given| !given.is_empty());
        let namespace = given.unwrap_or_else(|| self.namespace.unwrap_or(self.default).to_owned());
        let of = of(origin, &namespace, &name);
        if let Some(only) = self.namespace.filter(|only| **only != namespace) {
            return self.problem(
                &of,
                &format!("metadata.namespace is not that of --namespace {only}: leave out one of the two"),
            );
        }
        if !is_subdomain(&name, SUBDOMAIN_MAX) {
            let problem =
                format!("metadata.name: {name:?} is no name: use up to 253 lower-case letters, digits, - and .");
            return self.problem(&of, &problem);
        }
        if !is_subdomain(&namespace, LABEL_MAX) || namespace.contains('.') {
            let problem =
                format!("metadata.namespace: {namespace:?} is no name: use up to 63 lower-case letters, digits and -");
            return self.problem(&of, &problem);
        }
        if let Some(members) = document.as_object_mut() {
            members.remove("status");
        }
        let refusals = self.admission.admit(&mut document, None);
        if !refusals.is_empty() {
            return refusals.iter().for_each(|refusal| self.problem(&of, &refusal.to_string()));
        }
        let mut object: ProvisionedThroughput = match serde_json::from_value(document) {
            Ok(object) => object,
            Err(error) => return self.problem(&of, &error.to_string()),
        };
        let annotations = object.annotations().clone();
        object.metadata = kube::core::ObjectMeta {
            name: Some(name.clone()),
            namespace: Some(namespace.clone()),
            annotations: Some(annotations),
            ..kube::core::ObjectMeta::default()
        };
        match self.seen.insert((namespace, name), origin.clone()) {
            None => self.read.manifests.push(Manifest { origin: origin.clone(), object }),
            Some(first) => {
                self.problem(&of, &format!("the same object is at {first}: leave one of the two out"));
            }
        }
    }
}

fn of(origin: &Origin, namespace: &str, name: &str) -> String {
    format!("{origin}, ProvisionedThroughput {namespace}/{name}")
}

/// Whether it is a DNS name in the sense of RFC 1123, as Kubernetes takes it.
fn is_subdomain(text: &str, most: usize) -> bool {
    let is_label = |label: &str| {
        let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty() && label.chars().all(is_legal) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= most && text.split('.').all(is_label)
}

/// The documents of a file that are not empty. On failure, what is wrong with it.
fn documents(path: &Path) -> Result<Vec<Value>, String> {
    let text = text(path).map_err(|error| format!("cannot be read: {error}"))?;
    // As kubectl does: what begins like JSON is JSON, of which there may be several one after the other.
    if text.trim_start().starts_with('{') {
        let documents: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&text).into_iter().collect();
        return documents.map_err(|error| format!("is no JSON: {error}"));
    }
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_multiple_with_options(&text, options)
        .map_err(|error| format!("is no YAML: {error}; if it is a template, render it first, and plan the result"))
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = if path == Path::new(STDIN) {
        io::stdin().lock().take(FILE_MAX + 1).read_to_string(&mut text)?
    } else {
        fs::File::open(path)?.take(FILE_MAX + 1).read_to_string(&mut text)?
    };
    if read as u64 > FILE_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {FILE_MAX} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
