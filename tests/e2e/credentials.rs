//! How the operator shows itself to AWS: in each call, and when it asks for credentials.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use axum::{Router, extract::Request, response::IntoResponse as _, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use xtask::{documents, folders};

use crate::support::{
    aws::{ARN, Aws, Operation},
    control_plane::{plane, runtime},
    environment::{Environment, Namespace, settings},
    object::manifest,
};

fn named(name: &str) -> Value {
    manifest("summarizer", json!({"provisionedModelId": ARN, "provisionedModelName": name}))
}

fn user_agents(env: &Environment) -> Vec<String> {
    env.aws.calls().into_iter().map(|call| call.user_agent.unwrap_or_default()).collect()
}

#[test]
fn every_call_says_that_it_is_the_operators() {
    let env = Environment::new(Aws::start());
    env.cluster.apply(&named("renamed"));
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.calls_of(Operation::UpdateProvisionedModelThroughput), 1);
    for agent in user_agents(&env) {
        // Word for word: what a filter in CloudTrail asks for must not change with the version.
        assert!(agent.split(' ').any(|word| word == "app/bedrock-throughput-operator"), "{agent}");
    }
}

#[test]
fn another_name_of_the_users_takes_its_place() {
    let (aws, cluster) = (Aws::start(), Namespace::new());
    let mut settings = settings(plane(), &cluster, &aws, &[]);
    settings.environment.push(("AWS_SDK_UA_APP_ID".to_owned(), Some("team-ml".to_owned())));
    let env = Environment::with_settings(aws, cluster, settings);
    env.cluster.apply(&named("summarizer"));
    env.wait_until_ready("summarizer");
    for agent in user_agents(&env) {
        assert!(agent.contains("app/team-ml") && !agent.contains("app/bedrock"), "{agent}");
    }
}

/// The environment variables that the Deployment of `deploy/install.yaml` sets.
fn shipped_environment() -> BTreeMap<String, String> {
    let file = folders::root().join("deploy/install.yaml");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let manifests = documents::split(&text);
    let deployment = manifests.iter().find(|manifest| documents::kind(manifest) == Some("Deployment"));
    let deployment: Value = serde_saphyr::from_str(deployment.expect("a Deployment")).expect("YAML");
    let set = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().cloned().unwrap_or_default();
    let pair = |set: &Value| Some((set["name"].as_str()?.to_owned(), set["value"].as_str()?.to_owned()));
    set.iter().filter_map(pair).collect()
}

/// As EKS starts a pod whose `ServiceAccount` names a role, with an STS of our own.
#[test]
fn a_session_by_web_identity_has_the_shipped_name() {
    const ROLE: &str = "arn:aws:iam::123456789012:role/bedrock-throughput-operator";
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&asked);
    let assume = async move |request: Request| {
        let body = axum::body::to_bytes(request.into_body(), 1 << 16).await.expect("a short body");
        let body = String::from_utf8_lossy(&body).into_owned();
        kept.lock().expect("nobody panics").push(body);
        let answer = r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"#;
        ([("content-type", "text/xml")], answer).into_response()
    };
    let listener = runtime().block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port");
    let sts = format!("http://{}", listener.local_addr().expect("a port"));
    let server = runtime().spawn(async move { axum::serve(listener, Router::new().route("/", post(assume))).await });
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "a-token-of-the-cluster").expect("a token");
    let (aws, cluster) = (Aws::start(), Namespace::new());
    let mut settings = settings(plane(), &cluster, &aws, &[]);
    let set = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
    settings.environment.extend([
        ("AWS_ACCESS_KEY_ID".to_owned(), None),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), None),
        set("AWS_ROLE_ARN", ROLE),
        set("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().expect("a path")),
        set("AWS_ENDPOINT_URL_STS", &sts),
    ]);
    settings.environment.extend(shipped_environment().into_iter().map(|(name, value)| (name, Some(value))));
    let env = Environment::with_settings(aws, cluster, settings);
    env.cluster.apply(&named("renamed"));
    env.wait_until_ready("summarizer");
    server.abort();
    let asked = asked.lock().expect("nobody panics");
    assert_eq!(asked.len(), 1, "{asked:?}");
    for member in ["RoleSessionName=bedrock-throughput-operator", "WebIdentityToken=a-token-of-the-cluster"] {
        assert!(asked[0].split('&').any(|asked| asked == member), "{member}: {}", asked[0]);
    }
}

/// A trust policy lets in the operator's `ServiceAccount`, as it is shipped, and no other.
#[test]
fn the_trust_policies_are_for_the_shipped_account() {
    let policy = |name: &str| -> Value {
        let file = folders::root().join("deploy/iam").join(name);
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    let only = |policy: &Value| {
        assert_eq!(policy["Statement"].as_array().expect("statements").len(), 1);
        policy["Statement"][0].clone()
    };
    let irsa = only(&policy("trust-irsa.json"));
    assert_eq!(irsa["Action"], "sts:AssumeRoleWithWebIdentity");
    let issuer =
        irsa["Principal"]["Federated"].as_str().and_then(|arn| arn.split_once(":oidc-provider/")).expect("an issuer").1;
    let subject = "system:serviceaccount:bedrock-throughput-system:bedrock-throughput-operator";
    let conditions = json!({format!("{issuer}:aud"): "sts.amazonaws.com", format!("{issuer}:sub"): subject});
    assert_eq!(irsa["Condition"], json!({"StringEquals": conditions}));
    let pods = only(&policy("trust-pod-identity.json"));
    assert_eq!(pods["Principal"], json!({"Service": "pods.eks.amazonaws.com"}));
    assert_eq!(pods["Action"], json!(["sts:AssumeRole", "sts:TagSession"]));
    let tags = &pods["Condition"]["StringEquals"];
    assert_eq!(tags["aws:RequestTag/kubernetes-namespace"], "bedrock-throughput-system");
    assert_eq!(tags["aws:RequestTag/kubernetes-service-account"], "bedrock-throughput-operator");
}
