//! The operator as a process, with the arguments and variables of the Deployment that the chart made, and the rights of its
//! `ServiceAccount`; and AWS in this process.

use std::{collections::BTreeMap, path::PathBuf, process::Command, time::Duration};

use anyhow::ensure;
use bedrock_simulator::{
    Caller, Seed, Server,
    request::ModelStatus,
    seed::{CustomModelSeed, ProvisionedModelSeed},
    settings::Seconds,
    world::FoundationModel,
};
use serde_json::{Value, json};
use xtask::{
    http,
    ports::free_port,
    process::{Guard, Guarded, Output, tail},
    wait::{Fatal, wait_until},
};

use super::cluster::{Cluster, PATIENCE};

/// The base model of `V1` and `V2`, and another one.
const NOVA: &str = "amazon.nova-lite-v1:0:24k";
const TITAN: &str = "amazon.titan-text-express-v1:0:8k";
/// Two custom models of the same base model.
pub const V1: &str = "summarizer-v1";
pub const V2: &str = "summarizer-v2";
/// A custom model of another base model.
pub const CHAT: &str = "chat-v1";

/// How long AWS takes for a change, in seconds.
pub const UPDATING_SECONDS: f64 = 1.5;

/// AWS with throughputs of these names, each of which serves `V1`.
pub fn aws(throughputs: &[&str]) -> Server {
    let server = Server::start().expect("starting the simulator");
    let custom =
        |name: &str, base: &str| CustomModelSeed { status: ModelStatus::Active, ..CustomModelSeed::new(name, base) };
    let seed = Seed {
        foundation_models: [NOVA, TITAN].map(FoundationModel::text).into(),
        custom_models: vec![custom(V1, NOVA), custom(V2, NOVA), custom(CHAT, TITAN)],
        provisioned_models: throughputs.iter().map(|name| ProvisionedModelSeed::new(name, V1)).collect(),
        ..Seed::default()
    };
    server.seed(&seed).expect("the account is put there");
    let updating = Seconds::try_from(UPDATING_SECONDS).expect("a number of seconds");
    server.set(|settings| settings.updating_seconds = updating);
    server
}

/// Every throughput at AWS: its name, its model's ARN and its status.
pub fn at_aws(aws: &Server) -> BTreeMap<String, (String, String)> {
    let caller = Caller::new("123456789012", "us-east-1");
    aws.with_world(|world, _| {
        let told = |throughput: &bedrock_simulator::ProvisionedModel| {
            (throughput.name.clone(), (throughput.model_arn.clone(), format!("{:?}", throughput.status)))
        };
        world.throughputs(&caller).map(told).collect()
    })
}

/// Values of the chart for an operator that runs here, in the release's namespace and in no pod.
pub fn values(aws: &Server, namespace: &str) -> Vec<String> {
    let port = free_port().expect("a free port");
    let variable = |name: &str, value: &str| json!({"name": name, "value": value});
    let environment = json!([
        variable("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        variable("AWS_SECRET_ACCESS_KEY", "secret"),
        variable("AWS_EC2_METADATA_DISABLED", "true"),
    ]);
    let settings = [
        format!("http.address=127.0.0.1,http.port={port}"),
        format!("aws.region=us-east-1,aws.endpointUrl={},aws.readLag=1s,aws.timeout=5s", aws.url()),
        "defaultInterval=10s,log.format=text".to_owned(),
        format!("leaderElection.resourceNamespace={namespace}"),
    ];
    let mut values = vec!["--set-json".to_owned(), format!("extraEnv={environment}")];
    values.extend(settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]));
    values
}

/// A running operator; it ends when this is dropped.
pub struct Operator {
    process: Guarded,
    address: String,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Operator {
    /// Starts what a Deployment says, and returns when it answers.
    pub fn of(cluster: &Cluster, namespace: &str, deployment: &str) -> Self {
        let deployment = cluster.get(&["--namespace", namespace, "deployment", deployment]);
        let pod = &deployment["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let account = pod["serviceAccountName"].as_str().expect("a ServiceAccount");
        let kubeconfig = cluster.processes().service_account_kubeconfig(namespace, account).expect("a kubeconfig");
        let folder = tempfile::Builder::new().prefix("operator-").tempdir().expect("a folder for the operator");
        let log = folder.path().join("log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_bedrock-throughput-operator"));
        command
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .env("HOME", folder.path())
            .env("HOSTNAME", "operator-under-test");
        let words = container["args"].as_array().expect("arguments").iter();
        command.args(words.map(|word| word.as_str().expect("a text")));
        let mut address = None;
        for variable in container["env"].as_array().expect("variables") {
            let name = variable["name"].as_str().expect("a name");
            let field = variable.pointer("/valueFrom/fieldRef/fieldPath").and_then(Value::as_str);
            let value = match field {
                Some("metadata.namespace") => namespace,
                Some(other) => panic!("{name} is the field {other} of the pod"),
                None => variable["value"].as_str().unwrap_or_default(),
            };
            if name == "BTO_HTTP_ADDR" {
                address = Some(value.to_owned());
            }
            command.env(name, value);
        }
        let guard = Guard::new("operator").grace(Duration::from_secs(20)).output(Output::Log(log.clone()));
        let process = guard.spawn(&command).expect("starting the operator");
        let mut operator = Self { process, address: address.expect("an address"), log, _folder: folder };
        let served = wait_until(PATIENCE, "the operator serves /livez", || {
            if let Some(status) = operator.process.try_wait()? {
                return Err(Fatal(format!("it has ended: {status}")).into());
            }
            let (status, text) = operator.get("/livez")?;
            ensure!(status == 200, "{status}: {text}");
            Ok(())
        });
        served.unwrap_or_else(|error| panic!("{error:#}\n{}", operator.log()));
        operator
    }

    /// The status and the body of an answer.
    pub fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        http::get(&format!("http://{}{path}", self.address))
    }

    /// Waits until it says this at /readyz, with this status.
    pub fn wait_until_it_says(&self, status: u16, text: &str) {
        let said = wait_until(PATIENCE, &format!("/readyz says {text}"), || {
            let (answered, says) = self.get("/readyz")?;
            ensure!(answered == status && says.contains(text), "{answered}: {says}");
            Ok(())
        });
        said.unwrap_or_else(|error| panic!("{error:#}\n{}", self.log()));
    }

    /// Where it serves, as `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        tail(&self.log, 40)
    }
}

/// A test that fails shows what its operator told.
impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("/readyz: {:?}\n{}", self.get("/readyz"), self.log());
        }
    }
}
