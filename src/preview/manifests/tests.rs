use rstest::rstest;

use super::*;

const PLAIN: &str = "apiVersion: bedrock-throughput.dev/v1alpha1\nkind: ProvisionedThroughput\nmetadata: {name: a, namespace: ml}\nspec: {provisionedModelId: x}\n";

fn read_in(namespace: Option<&str>, paths: &[PathBuf]) -> Manifests {
    Manifests::read(paths, namespace, "default", &Admission::new().unwrap())
}

/// Reads a file with this content.
fn read(content: &str) -> Manifests {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    fs::write(&path, content).unwrap();
    read_in(None, &[path])
}

fn names(read: &Manifests) -> Vec<String> {
    let name = |manifest: &Manifest| {
        format!("{}/{}", manifest.object.namespace().unwrap_or_default(), manifest.object.name_any())
    };
    read.manifests.iter().map(name).collect()
}

fn with_name(name: &str) -> String {
    PLAIN.replace("name: a,", &format!("name: {name},"))
}

#[test]
fn documents_of_others_are_passed_over_and_counted() {
    let others = "kind: Deployment\napiVersion: apps/v1\n---\n---\nreplicas: 3\n---\n- a list\n---\n";
    let read = read(&format!("{others}{PLAIN}"));
    assert_eq!((names(&read), read.passed_over, read.problems), (vec!["ml/a".to_owned()], 3, Vec::new()));
    assert_eq!(read.manifests[0].origin.document, 4);
}

#[test]
fn folders_are_read_with_the_folders_in_them_in_the_order_of_names() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, content: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    write("c.json", r#"{"kind": "List", "apiVersion": "v1", "items": []}"#);
    write("b.yml", &with_name("b"));
    write("a/z.yaml", &with_name("a"));
    write("README.md", "no manifest");
    write(".hidden.yaml", &with_name("hidden"));
    write(".git/x.yaml", &with_name("git"));
    let read = read_in(None, &[folder.path().to_owned()]);
    assert_eq!((names(&read), read.problems), (vec!["ml/a".to_owned(), "ml/b".to_owned()], Vec::new()));
}

#[test]
fn lists_and_several_json_documents_are_taken_apart() {
    let item = |name: &str| {
        format!(
            r#"{{"apiVersion": "bedrock-throughput.dev/v1alpha1", "kind": "ProvisionedThroughput", "metadata": {{"name": "{name}"}}, "spec": {{"provisionedModelId": "x"}}}}"#
        )
    };
    let read = read(&format!(
        r#"{{"apiVersion": "v1", "kind": "List", "items": [{}, {}]}} {}"#,
        item("a"),
        item("b"),
        item("c")
    ));
    assert_eq!(names(&read), ["default/a", "default/b", "default/c"]);
    let origins: Vec<_> =
        read.manifests.iter().map(|manifest| (manifest.origin.document, manifest.origin.item)).collect();
    assert_eq!(origins, [(1, Some(1)), (1, Some(2)), (2, None)]);
}

#[test]
fn what_the_api_server_does_not_take_from_a_manifest_is_left_out() {
    let told = PLAIN.replace("namespace: ml}", "namespace: ml, uid: u, generation: 7, finalizers: [f]}")
        + "status: {provisionedModelArn: x}\n";
    let object = &read(&told).manifests[0].object;
    let metadata = &object.metadata;
    assert_eq!((&metadata.uid, metadata.generation, &metadata.finalizers), (&None, None, &None));
    assert_eq!(object.status, None);
}

#[rstest]
#[case::yaml("a: [", "is no YAML: ")]
#[case::json("{\"a\": ", "is no JSON: ")]
#[case::template("metadata: {{ .Values.name }}", "render it first")]
#[case::schema(&PLAIN.replace("provisionedModelId", "provisionedModelID"), ", document 1, ProvisionedThroughput ml/a: spec.provisionedModelID: there is no such field")]
#[case::kind(&PLAIN.replace("kind: Prov", "kind: prov"), ", document 1: there is no kind \"provisionedThroughput\"")]
#[case::version(&PLAIN.replace("v1alpha1", "v2"), "write kind: ProvisionedThroughput and apiVersion: bedrock-throughput.dev/v1alpha1")]
#[case::name(&with_name("A_b"), "metadata.name: \"A_b\" is no name")]
#[case::no_name(&PLAIN.replace("name: a, ", ""), "metadata.name: \"\" is no name")]
#[case::annotation(&PLAIN.replace("name: a, ", "name: a, annotations: {x: 1}, "), "ProvisionedThroughput ml/a: ")]
#[case::twice(&format!("{PLAIN}---\n{PLAIN}"), "document 2, ProvisionedThroughput ml/a: the same object is at ")]
fn what_is_wrong_is_told_in_a_line(#[case] content: &str, #[case] expected: &str) {
    let problems = read(content).problems;
    assert!(problems.len() == 1 && problems[0].contains(expected) && problems[0].contains("a.yaml"), "{problems:#?}");
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let problems = read_in(None, &["nowhere.yaml".into()]).problems;
    assert!(problems[0].starts_with("nowhere.yaml: cannot be read: "), "{problems:?}");
}

#[test]
fn a_namespace_that_is_given_holds_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    fs::write(&path, format!("{PLAIN}---\n{}", with_name("b").replace(", namespace: ml", ""))).unwrap();
    let read = read_in(Some("search"), &[path]);
    assert_eq!(names(&read), ["search/b"]);
    assert!(
        read.problems[0].contains("ml/a: metadata.namespace is not that of --namespace search"),
        "{:?}",
        read.problems
    );
}
