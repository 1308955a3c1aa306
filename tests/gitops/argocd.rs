//! Under Argo CD: application-controller and repo-server are real, with the settings of `deploy/argocd`.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use xtask::{
    argocd,
    ports::free_ports,
    process::{self, Guard, Guarded, Output},
};

use crate::{
    customizations::{Health, read},
    stage::{self, as_yaml, environment, of_kind, on_model, plane, shipped, slow, throughput_in, wait_for},
    support::{
        aws::{ARN, Aws, CHAT, NAME, SUMMARIZER_V1, SUMMARIZER_V2},
        environment::Environment,
        object::{APPROVE, manifest},
        parallel,
    },
};

const NAMESPACE: &str = "argocd";
/// The settings of an Argo CD that was there before ours were added.
const BEFORE: (&str, &str) = ("timeout.reconciliation", "10s");

struct ArgoCd {
    repositories: PathBuf,
    _processes: Mutex<Vec<Guarded>>,
}

fn argocd() -> &'static ArgoCd {
    static ARGOCD: OnceLock<ArgoCd> = OnceLock::new();
    ARGOCD.get_or_init(|| {
        let found = argocd::find_or_build().expect("building Argo CD");
        stage::install_crds(&found.crds);
        configure();
        // It goes with the control plane.
        let folder = plane().processes.logs_dir().join("argocd");
        for name in ["bin", "gpg/keys", "gpg/source", "plugins", "repositories", "ssh", "tls", "tmp"] {
            fs::create_dir_all(folder.join(name)).expect("a folder for Argo CD");
        }
        fs::write(folder.join("ssh/ssh_known_hosts"), "").expect("a file for Argo CD");
        fs::set_permissions(folder.join("gpg/keys"), fs::Permissions::from_mode(0o700)).expect("a private folder");
        let wrapper = folder.join("bin/git-verify-wrapper.sh");
        fs::copy(&found.git_verify_wrapper, &wrapper).expect("copying the wrapper of git");
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).expect("a script that can be run");
        let processes = start(&found, &folder);
        ArgoCd { repositories: folder.join("repositories"), _processes: Mutex::new(processes) }
    })
}

/// What an installation of Argo CD has, and then what a user adds for our kinds.
fn configure() {
    stage::apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}));
    let object = |kind: &str, name: &str, rest: (&str, Value)| {
        json!({"apiVersion": "v1", "kind": kind, rest.0: rest.1, "metadata": {
            "name": name, "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "argocd"},
        }})
    };
    let (key, value) = BEFORE;
    stage::apply(&object(
        "ConfigMap",
        "argocd-cm",
        ("data", json!({key: value, "timeout.reconciliation.jitter": "0s"})),
    ));
    stage::apply(&object("ConfigMap", "argocd-rbac-cm", ("data", json!({}))));
    let key = "0123456789abcdef0123456789abcdef";
    stage::apply(&object("Secret", "argocd-secret", ("stringData", json!({"server.secretkey": key}))));
    stage::apply(&json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
        "metadata": {"name": "default", "namespace": NAMESPACE},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"namespace": "*", "server": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        },
    }));
    let settings = xtask::folders::root().join("deploy/argocd/argocd-cm.yaml");
    let settings = settings.to_str().expect("a path in UTF-8");
    plane().kubectl(&["patch", "configmap", "argocd-cm", "--namespace", NAMESPACE, "--patch-file", settings]);
}

fn start(found: &argocd::ArgoCd, folder: &Path) -> Vec<Guarded> {
    let [redis, repo_server, repo_metrics, controller_metrics] =
        free_ports().expect("free ports").map(|port: u16| port.to_string());
    let (redis_address, repo_address) = (format!("127.0.0.1:{redis}"), format!("127.0.0.1:{repo_server}"));
    let run = |name: &str, mut command: Command| {
        let log = plane().processes.logs_dir().join(format!("{name}.log"));
        Guard::new(name)
            .output(Output::Log(log))
            .spawn(command.current_dir(folder))
            .expect("starting a part of Argo CD")
    };
    let mut cache = Command::new(&found.redis);
    cache.arg(&redis_address);
    let part = |role: &str, arguments: &[&str]| {
        let mut command = Command::new(&found.argocd);
        let path = std::env::var("PATH").unwrap_or_default();
        command.args(arguments).args(["--redis", &redis_address, "--logformat", "text"]);
        command.env("ARGOCD_BINARY_NAME", role).env("PATH", format!("{}:{path}", folder.join("bin").display()));
        command.env("KUBECONFIG", kubeconfig(folder)).env("HOME", folder).env("TMPDIR", folder.join("tmp"));
        // The cluster of the kubeconfig is the one that Argo CD runs in.
        command.env("ARGOCD_FAKE_IN_CLUSTER", "true").env("ARGOCD_GPG_ENABLED", "false");
        for (name, place) in [
            ("ARGOCD_TLS_DATA_PATH", "tls"),
            ("ARGOCD_SSH_DATA_PATH", "ssh"),
            ("ARGOCD_GPG_DATA_PATH", "gpg/source"),
            ("ARGOCD_GNUPGHOME", "gpg/keys"),
            ("ARGOCD_PLUGINSOCKFILEPATH", "plugins"),
        ] {
            command.env(name, folder.join(place));
        }
        command
    };
    let server = part(
        "argocd-repo-server",
        &[
            "--address",
            "127.0.0.1",
            "--port",
            &repo_server,
            "--metrics-address",
            "127.0.0.1",
            "--metrics-port",
            &repo_metrics,
            "--disable-tls",
            "--client-ca-path=",
            "--revision-cache-expiration",
            "5s",
        ],
    );
    let mut controller = part(
        "argocd-application-controller",
        &[
            "--repo-server",
            &repo_address,
            "--repo-server-plaintext",
            "--metrics-port",
            &controller_metrics,
            "--app-resync",
            "10",
            "--status-processors",
            "4",
            "--operation-processors",
            "4",
            "--persist-resource-health",
        ],
    );
    controller.env("HOSTNAME", "argocd-application-controller-0").env("ARGOCD_CONTROLLER_REPLICAS", "1");
    vec![run("redis", cache), run("argocd-repo-server", server), run("argocd-application-controller", controller)]
}

/// The administrator's, with Argo CD's own namespace.
fn kubeconfig(folder: &Path) -> PathBuf {
    let path = folder.join("kubeconfig");
    let mut config: Value = read(plane().processes.kubeconfig());
    config["contexts"][0]["context"]["namespace"] = json!(NAMESPACE);
    fs::write(&path, config.to_string()).expect("writing the kubeconfig of Argo CD");
    path
}

/// A repository, and the `Application` of `deploy/argocd/application-manifests.yaml` that follows it.
struct Delivery {
    env: Environment,
    repository: PathBuf,
    application: Value,
}

impl Delivery {
    fn new(aws: Aws) -> Self {
        let env = environment(aws);
        let repository = argocd().repositories.join(&env.cluster.name);
        fs::create_dir_all(repository.join("throughputs")).expect("a folder for a repository");
        git(&repository, &["init", "--quiet", "--initial-branch", "main"]);
        let mut application = of_kind(&shipped("deploy/argocd/application-manifests.yaml"), "Application");
        application["metadata"]["name"] = json!(env.cluster.name);
        application["spec"]["source"]["repoURL"] = json!(format!("file://{}", repository.display()));
        application["spec"]["destination"]["namespace"] = json!(env.cluster.name);
        Self { env, repository, application }
    }

    /// Commits these objects, and lets Argo CD know.
    fn commit(&self, objects: &[Value]) {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        fs::write(self.repository.join("throughputs/all.yaml"), as_yaml(objects)).expect("writing manifests");
        let message = format!("change {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        git(&self.repository, &["add", "--all"]);
        git(&self.repository, &["commit", "--quiet", "--message", &message]);
        if stage::get(&self.application).is_ok() {
            self.refresh();
        }
    }

    /// Commits one throughput with this spec.
    fn commit_one(&self, spec: Value) {
        self.commit(&[manifest("summarizer", spec)]);
    }

    fn begin(&self) {
        stage::apply(&self.application);
    }

    /// Lets Argo CD compare anew, from the repository, and waits until it has.
    fn refresh(&self) {
        let annotations = json!({"argocd.argoproj.io/refresh": "hard"});
        stage::edit(&self.application, json!({"metadata": {"annotations": annotations}}));
        wait_for(&self.application, "is compared", |it| {
            it.pointer("/metadata/annotations/argocd.argoproj.io~1refresh").is_none()
        });
    }

    /// Waits until Argo CD shows these two words beside the application.
    fn wait_until(&self, sync: &str, health: &str) -> Value {
        wait_for(&self.application, &format!("is {sync} and {health}"), |it| {
            it["status"]["sync"]["status"] == sync && it["status"]["health"]["status"] == health
        })
    }

    /// Waits until Argo CD shows this of the throughput, with a sentence that has these words, and returns the sentence.
    fn wait_until_it_shows(&self, status: &str, words: &str) -> String {
        let application = wait_for(&self.application, &format!("shows {status}: {words}"), |it| {
            shown(it).is_some_and(|health| health.status == status && health.message.contains(words))
                && it["status"]["health"]["status"] == status
        });
        shown(&application).expect("a health").message
    }

    fn sentence(&self, type_: &str) -> String {
        self.env.cluster.get("summarizer").unwrap().condition(type_).expect("the condition").message.clone()
    }
}

/// What an `Application` shows of the throughput in it.
fn shown(application: &Value) -> Option<Health> {
    let resources = application.pointer("/status/resources")?.as_array()?;
    let resource = resources.iter().find(|resource| resource["kind"] == "ProvisionedThroughput")?;
    serde_json::from_value(resource["health"].clone()).ok()
}

fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(["-c", "user.name=tests", "-c", "user.email=tests@example.com"]).args(arguments);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    process::output(&mut command).unwrap_or_else(|error| panic!("{error:#}"));
}

#[test]
#[ignore = "cargo xtask test --gitops"]
fn the_settings_are_added_to_those_that_are_there() {
    argocd();
    let name =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": NAMESPACE}});
    let there = stage::get(&name).unwrap();
    assert_eq!(there["data"][BEFORE.0], BEFORE.1);
    assert!(there["data"]["resource.customizations.health.bedrock-throughput.dev_ProvisionedThroughput"].is_string());
}

#[test]
#[ignore = "cargo xtask test --gitops"]
fn what_is_shipped_for_argo_cd_is_taken_by_its_crds() {
    argocd();
    stage::try_on("deploy/argocd/application-chart.yaml");
    stage::try_on("deploy/argocd/application-manifests.yaml");
}

#[test]
#[ignore = "cargo xtask test --gitops"]
fn an_application_is_progressing_while_the_model_moves_and_healthy_when_it_is_served() {
    let delivery = Delivery::new(slow());
    delivery.commit_one(on_model(SUMMARIZER_V2));
    delivery.begin();
    delivery.env.wait_for("summarizer", "is moved", |object| object.status("/status") == "Updating");
    delivery.wait_until_it_shows("Progressing", "AWS is moving throughput");
    delivery.wait_until("Synced", "Progressing");
    delivery.env.aws.finish_throughput(ARN);
    delivery.wait_until("Synced", "Healthy");
    assert_eq!(delivery.env.aws.throughput(ARN).model_arn, SUMMARIZER_V2, "Healthy means that it is served");
    // The next commit.
    delivery.commit_one(on_model(SUMMARIZER_V1));
    delivery.env.wait_for("summarizer", "is moved back", |object| object.status("/status") == "Updating");
    delivery.wait_until("Synced", "Progressing");
    delivery.env.aws.finish_throughput(ARN);
    delivery.wait_until("Synced", "Healthy");
    assert_eq!(delivery.env.aws.throughput(ARN).model_arn, SUMMARIZER_V1);
}

#[test]
#[ignore = "cargo xtask test --gitops"]
fn an_application_is_degraded_with_the_sentence_of_stalled_and_heals_by_a_commit() {
    let delivery = Delivery::new(Aws::start());
    delivery.commit_one(on_model(CHAT));
    delivery.begin();
    let sentence = delivery.wait_until_it_shows("Degraded", "is not a sibling of");
    assert_eq!(sentence, delivery.sentence("Stalled"));
    delivery.commit_one(on_model(SUMMARIZER_V2));
    delivery.wait_until("Synced", "Healthy");
}

#[test]
#[ignore = "cargo xtask test --gitops"]
fn an_application_is_suspended_while_a_person_is_waited_for() {
    let delivery = Delivery::new(Aws::start());
    let mut spec = on_model(SUMMARIZER_V2);
    spec["approval"] = json!("Manual");
    delivery.commit_one(spec.clone());
    delivery.begin();
    let hash = delivery.env.wait_for("summarizer", "has a plan", |it| !it.status("/plan/hash").is_empty()).plan_hash();
    delivery.wait_until_it_shows("Suspended", &format!("{APPROVE}: {hash}"));
    // An approval by hand is no difference to Git.
    delivery.env.cluster.annotate("summarizer", APPROVE, Some(&hash));
    delivery.wait_until("Synced", "Healthy");
    spec["suspend"] = json!(true);
    delivery.commit_one(spec);
    delivery.wait_until_it_shows("Suspended", "spec.suspend is true");
}

#[test]
#[ignore = "cargo xtask test --gitops"]
fn a_later_sync_wave_waits_until_aws_serves_what_an_earlier_one_wants() {
    let delivery = Delivery::new(slow());
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
        "name": "later", "namespace": delivery.env.cluster.name, "annotations": {"argocd.argoproj.io/sync-wave": "1"},
    }});
    delivery.commit(&[manifest("summarizer", on_model(SUMMARIZER_V2)), config.clone()]);
    delivery.begin();
    delivery.env.wait_for("summarizer", "is moved", |object| object.status("/status") == "Updating");
    let waiting = wait_for(&delivery.application, "waits", |it| {
        let message = it.pointer("/status/operationState/message").and_then(Value::as_str).unwrap_or_default();
        message.contains("waiting for healthy state of bedrock-throughput.dev/ProvisionedThroughput/summarizer")
    });
    assert_eq!(waiting["status"]["operationState"]["phase"], "Running");
    assert!(stage::get(&config).is_err(), "the ConfigMap is there too early");
    delivery.env.aws.finish_throughput(ARN);
    wait_for(&config, "is there", |_| true);
    assert_eq!(delivery.env.aws.throughput(ARN).model_arn, SUMMARIZER_V2);
    delivery.wait_until("Synced", "Healthy");
}

#[test]
#[ignore = "cargo xtask test --gitops"]
fn a_hand_edit_is_undone() {
    let delivery = Delivery::new(Aws::start());
    delivery.commit_one(on_model(SUMMARIZER_V1));
    delivery.begin();
    delivery.wait_until("Synced", "Healthy");
    stage::edit(&throughput_in(&delivery.env), json!({"spec": {"provisionedModelName": "somebody-elses"}}));
    let undone = |it: &Value| it["spec"]["provisionedModelName"] == NAME;
    wait_for(&throughput_in(&delivery.env), "is as in Git", undone);
    delivery.wait_until("Synced", "Healthy");
    assert_eq!(delivery.env.aws.throughput(ARN).name, NAME);
}

/// Manifests whose values the API server or the operator could have written in another way.
fn manifests() -> Vec<(&'static str, Value)> {
    let every_field = json!({
        "provisionedModelId": ARN, "provisionedModelName": NAME, "modelId": SUMMARIZER_V1, "region": "us-east-1",
        "managementPolicy": "Full", "approval": "Automatic", "deletionPolicy": "Retain", "modelUnits": 1,
        "commitmentDuration": "OneMonth", "tags": {"team": "search", "empty": ""}, "interval": "300s", "suspend": false,
        "exportTo": {"configMap": {"name": "summarizer-model", "keys": {"region": "AWS_REGION"}}},
    });
    vec![
        ("the least", json!({"provisionedModelId": ARN})),
        (
            "every default written out",
            json!({
                "provisionedModelId": ARN, "managementPolicy": "Update", "approval": "Automatic", "deletionPolicy": "Retain",
                "suspend": false, "tags": {},
            }),
        ),
        ("every field", every_field),
        ("another way to write a duration", json!({"provisionedModelId": ARN, "interval": "0h5m0s"})),
        ("a model by its name", json!({"provisionedModelId": NAME, "modelId": "summarizer-v1"})),
    ]
}

#[test]
#[ignore = "cargo xtask test --gitops"]
fn no_difference_is_left_after_a_sync() {
    let rows = [true, false].into_iter().flat_map(|server_side| {
        let named = move |(name, spec)| (format!("{name}, ServerSideApply={server_side}"), (server_side, spec));
        manifests().into_iter().map(named)
    });
    parallel::for_each(3, rows.collect(), |(server_side, spec): (bool, Value)| {
        let mut delivery = Delivery::new(Aws::start());
        let options = json!(["CreateNamespace=true", format!("ServerSideApply={server_side}")]);
        // A difference is to stay, and not to be synced again and again.
        delivery.application["spec"]["syncPolicy"] = json!({"automated": {}, "syncOptions": options});
        delivery.commit_one(spec);
        delivery.begin();
        wait_for(&delivery.application, "is synced", |it| it["status"]["operationState"]["phase"] == "Succeeded");
        let object = delivery.env.wait_for("summarizer", "is settled", |object| {
            object.is_observed() && object.condition("Reconciling").is_none()
        });
        // Argo CD has seen the object as it is now; a difference would stay, because nothing is synced twice.
        wait_for(&delivery.application, "has no difference", |it| it["status"]["sync"]["status"] == "Synced");
        delivery.refresh();
        let application = stage::get(&delivery.application).unwrap();
        assert_eq!(application["status"]["sync"]["status"], "Synced", "{:#}", application["status"]);
        assert_eq!(object.generation(), 1, "nobody has changed the spec");
    });
}
