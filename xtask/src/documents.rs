//! The documents of a YAML stream, as text: their comments and their order stay.

/// The documents, without separators.
#[must_use]
pub fn split(stream: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in stream.lines() {
        if line.trim_end() == "---" {
            documents.push(String::new());
        } else if let Some(last) = documents.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    documents.retain(|document| !document.trim().is_empty());
    documents
}

/// The documents as one stream.
#[must_use]
pub fn join<'a>(documents: impl IntoIterator<Item = &'a str>) -> String {
    let documents: Vec<&str> = documents.into_iter().map(str::trim).collect();
    format!("{}\n", documents.join("\n---\n"))
}

/// The `kind` of a manifest in block style.
#[must_use]
pub fn kind(manifest: &str) -> Option<&str> {
    manifest.lines().find_map(|line| line.strip_prefix("kind: ")).map(|kind| kind.trim().trim_matches('"'))
}

/// `metadata.name` of a manifest in block style.
#[must_use]
pub fn name(manifest: &str) -> Option<&str> {
    let metadata =
        manifest.lines().skip_while(|line| *line != "metadata:").skip(1).take_while(|line| line.starts_with(' '));
    { metadata }.find_map(|line| line.strip_prefix("  name: ")).map(|name| name.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "---\n# A comment\nkind: A\nmetadata:\n  labels:\n    name: no\n  name: \"a\"\n--- \n\n---\nkind: \"B\"\nmetadata:\n  name: b\nspec:\n  name: c\n";

    #[test]
    fn a_stream_is_split_at_its_separators_and_empty_documents_are_none() {
        let documents = split(STREAM);
        assert_eq!(documents.len(), 2);
        assert!(documents[0].starts_with("# A comment\nkind: A\n"), "{documents:?}");
        assert_eq!(split(&join(documents.iter().map(String::as_str))), documents);
    }

    #[test]
    fn a_manifest_has_a_kind_and_a_name() {
        let documents = split(STREAM);
        let told: Vec<_> = documents.iter().map(|document| (kind(document), name(document))).collect();
        assert_eq!(told, [(Some("A"), Some("a")), (Some("B"), Some("b"))]);
        assert_eq!((kind("spec:\n  kind: A\n"), name("spec:\n  name: a\n")), (None, None));
    }
}
