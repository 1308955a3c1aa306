//! Values of the charts: what each combination renders is taken by a real API server, and what makes no sense is refused with a
//! sentence.

use std::{fs, io::Write as _, thread};

use serde_json::{Value, json};
use xtask::{folders, process};

use crate::support::{
    cluster::{Cluster, fail, succeed},
    helm::{OPERATOR, RELEASE, SIMULATOR, chart, helm, manifests, template, the_only},
};

/// Combinations of values of the operator's chart, by name.
const COMBINATIONS: &[(&str, &[&str])] = &[
    ("nothing", &[]),
    ("one pod", &["--set", "replicaCount=1"]),
    ("no pod", &["--set", "replicaCount=0"]),
    ("three pods, of which a half stays", &["--set", "replicaCount=3,podDisruptionBudget.minAvailable=50%"]),
    ("one pod without a leader", &["--set", "replicaCount=1,leaderElection.enabled=false"]),
    (
        "a leader with all its settings",
        &[
            "--set",
            "leaderElection.leaseDuration=1m,leaderElection.renewDeadline=40s,leaderElection.retryPeriod=5s",
            "--set",
            "leaderElection.resourceName=other,leaderElection.resourceNamespace=chart-b",
        ],
    ),
    (
        "an image by tag",
        &["--set", "image.repository=registry.example:5000/a/b,image.tag=v1.2.3,image.pullPolicy=Always"],
    ),
    (
        "an image by digest",
        &[
            "--set",
            "image.digest=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "--set",
            "imagePullSecrets[0].name=registry",
        ],
    ),
    ("some namespaces", &["--set", "watchNamespaces={chart-a,chart-b},clusterName=test"]),
    ("its own namespace", &["--set", "watchNamespaces={bedrock-throughput-system},clusterName=test"]),
    (
        "some namespaces, and nothing else made",
        &[
            "--set",
            "watchNamespaces={chart-a},clusterName=test,rbac.userRoles=false,exportTo.enabled=false,crds.enabled=false",
        ],
    ),
    (
        "some namespaces that are told by a variable which cluster it is",
        &[
            "--set",
            "watchNamespaces={chart-a}",
            "--set-json",
            r#"extraEnv=[{"name":"BTO_CLUSTER_NAME","valueFrom":{"configMapKeyRef":{"name":"x","key":"BTO_CLUSTER_NAME"}}}]"#,
        ],
    ),
    ("exports in some namespaces", &["--set", "exportTo.namespaces={chart-a}"]),
    ("no exports", &["--set", "exportTo.enabled=false"]),
    (
        "rights and account made by somebody else",
        &["--set", "rbac.create=false,rbac.userRoles=false,serviceAccount.create=false"],
    ),
    (
        "an account with an IAM role",
        &[
            "--set",
            "serviceAccount.name=operator",
            "--set-string",
            r"serviceAccount.annotations.eks\.amazonaws\.com/role-arn=arn:aws:iam::123456789012:role/operator",
        ],
    ),
    (
        "a token of its own",
        &[
            "--set",
            "serviceAccount.automount=false",
            "--set-json",
            r#"extraVolumes=[{"name":"token","projected":{"sources":[{"serviceAccountToken":{"path":"token","audience":"sts.amazonaws.com"}}]}}]"#,
            "--set-json",
            r#"extraVolumeMounts=[{"name":"token","mountPath":"/var/run/token","readOnly":true}]"#,
        ],
    ),
    (
        "every setting",
        &[
            "--set",
            "clusterName=prod-1,allowCreate=true,allowDelete=true,defaultInterval=1h30m,concurrency=7",
            "--set",
            "aws.region=eu-central-1,aws.endpointUrl=https://vpce-1.bedrock.eu-central-1.vpce.amazonaws.com",
            "--set",
            "aws.stsEndpointUrl=https://sts.example,aws.useFipsEndpoint=true,aws.useDualstackEndpoint=true,aws.timeout=10s",
            "--set",
            r"aws.readLag=20s,log.format=text,log.level=info\,kube=debug,http.address=[::],http.port=9090",
            "--set",
            "extraArgs={--concurrency=8},extraEnvFrom[0].secretRef.name=aws,log.levelConfigMap=level,traces.endpoint=http://otel:4318",
        ],
    ),
    ("secure metrics", &["--set", "metrics.secure.enabled=true"]),
    (
        "secure metrics with a certificate, scraped",
        &[
            "--set",
            "metrics.secure.enabled=true,metrics.secure.certificateSecret=tls,metrics.serviceMonitor.enabled=true",
        ],
    ),
    (
        "secure metrics in some namespaces",
        &[
            "--set",
            "metrics.secure.enabled=true,metrics.secure.createClusterRoles=false,watchNamespaces={chart-a},clusterName=x",
        ],
    ),
    (
        "a ServiceMonitor with everything",
        &[
            "--set",
            "metrics.serviceMonitor.enabled=true,metrics.serviceMonitor.interval=30s,metrics.serviceMonitor.scrapeTimeout=10s",
            "--set",
            "metrics.serviceMonitor.labels.release=prometheus,metrics.serviceMonitor.annotations.a=b",
            "--set-json",
            r#"metrics.serviceMonitor.relabelings=[{"action":"labeldrop","regex":"pod"}]"#,
            "--set-json",
            r#"metrics.serviceMonitor.metricRelabelings=[{"action":"drop","sourceLabels":["__name__"],"regex":"x.*"}]"#,
        ],
    ),
    (
        "a PodMonitor, no Service",
        &[
            "--set",
            "service.enabled=false,metrics.podMonitor.enabled=true,metrics.podMonitor.labels.release=prometheus",
        ],
    ),
    (
        "a PodMonitor that shows a token",
        &[
            "--set",
            "metrics.secure.enabled=true,metrics.podMonitor.enabled=true",
            "--set",
            "metrics.podMonitor.authorization.credentials.name=token,metrics.podMonitor.authorization.credentials.key=token",
        ],
    ),
    ("a NetworkPolicy", &["--set", "networkPolicy.enabled=true"]),
    (
        "a NetworkPolicy with everything",
        &[
            "--set",
            "networkPolicy.enabled=true,metrics.secure.enabled=true,networkPolicy.egressPorts={443}",
            "--set-json",
            r#"networkPolicy.metricsFrom=[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}}}]"#,
            "--set-json",
            r#"networkPolicy.extraEgress=[{"to":[{"podSelector":{}}],"ports":[{"port":4588}]}]"#,
        ],
    ),
    (
        "pods where they should be",
        &[
            "--set",
            "priorityClassName=system-cluster-critical,nodeSelector.disk=ssd,podLabels.team=ml,podAnnotations.a=b",
            "--set",
            "commonLabels.team=ml,updateStrategy.rollingUpdate.maxSurge=2,revisionHistoryLimit=1",
            "--set-json",
            r#"tolerations=[{"key":"x","operator":"Exists","effect":"NoSchedule"}]"#,
            "--set-json",
            r#"affinity={"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"a","operator":"In","values":["b"]}]}]}}}"#,
            "--set-json",
            r#"topologySpreadConstraints=[{"topologyKey":"rack","maxSkew":2,"whenUnsatisfiable":"DoNotSchedule"}]"#,
            "--set-json",
            r#"hostAliases=[{"ip":"10.0.0.1","hostnames":["aws"]}]"#,
            "--set-json",
            r#"dnsConfig={"options":[{"name":"ndots","value":"2"}]}"#,
        ],
    ),
    (
        "nothing spread, no budget",
        &["--set", "podDisruptionBudget.enabled=false", "--set-json", "topologySpreadConstraints=[]"],
    ),
    (
        "OpenShift, which sets users itself",
        &[
            "--set",
            "podSecurityContext.runAsUser=null,podSecurityContext.runAsGroup=null,podSecurityContext.fsGroup=null",
        ],
    ),
    ("other names", &["--set", "nameOverride=bto,fullnameOverride=bedrock"]),
    ("values of a chart above", &["--set", "enabled=true,global.x=1"]),
];

/// Values that make no sense, and what is said of each.
const REFUSALS: &[(&[&str], &str)] = &[
    (&["--set", "replicaCount=x"], "at '/replicaCount': got string, want integer"),
    (&["--set", "replicas=3"], "additional properties 'replicas' not allowed"),
    (&["--set", "image.name=x"], "at '/image': additional properties 'name' not allowed"),
    (&["--set", "aws.regoin=us-east-1"], "at '/aws': additional properties 'regoin' not allowed"),
    (&["--set", "leaderElection.leaseDurationSeconds=15"], "at '/leaderElection': additional properties"),
    (
        &["--set", "metrics.serviceMonitor.port=x"],
        "at '/metrics/serviceMonitor': additional properties 'port' not allowed",
    ),
    (&["--set", "metrics.secure.tls=true"], "at '/metrics/secure': additional properties 'tls' not allowed"),
    (&["--set", "image.digest=latest"], "at '/image/digest': 'latest' does not match pattern"),
    (&["--set", "image.pullPolicy=Sometimes"], "at '/image/pullPolicy': value must be one of"),
    (&["--set", "defaultInterval=often"], "at '/defaultInterval': 'often' does not match pattern"),
    (&["--set", "allowCreate=yes"], "at '/allowCreate': got string, want boolean"),
    (&["--set", "watchNamespaces=ml"], "at '/watchNamespaces': got string, want array"),
    (&["--set", "watchNamespaces={ML},clusterName=x"], "at '/watchNamespaces/0': 'ML' does not match pattern"),
    (&["--set", "watchNamespaces={a,a},clusterName=x"], "at '/watchNamespaces': items at 0 and 1 are equal"),
    (&["--set", "clusterName=a b"], "at '/clusterName': 'a b' does not match pattern"),
    (&["--set", "concurrency=0"], "at '/concurrency': minimum: got 0, want 1"),
    (&["--set", "aws.endpointUrl=localhost:4588"], "at '/aws/endpointUrl': 'localhost:4588' does not match pattern"),
    (&["--set", "http.port=0"], "at '/http/port': minimum: got 0, want 1"),
    (&["--set", "http.address=localhost"], "at '/http/address': 'localhost' does not match pattern"),
    (&["--set", "log.format=xml"], "at '/log/format': value must be one of"),
    (&["--set", "commonLabels.a=1"], "at '/commonLabels/a': got number, want string"),
    (
        &["--set", "watchNamespaces={ml}"],
        "watchNamespaces needs clusterName: without a ClusterRole the operator cannot read",
    ),
    (
        &["--set", "leaderElection.enabled=false"],
        "replicaCount 2 needs leaderElection.enabled: without a leader all pods would work at the same time",
    ),
    (
        &["--set", "watchNamespaces={ml},clusterName=x,metrics.secure.enabled=true"],
        "metrics.secure.enabled needs rights for the whole cluster, which an installation with watchNamespaces does not make",
    ),
    (&["--set", "metrics.secure.enabled=true,metrics.secure.port=8080"], "they need ports of their own"),
    (
        &["--set", "metrics.serviceMonitor.enabled=true,metrics.podMonitor.enabled=true"],
        "are both true: each pod would be scraped twice",
    ),
    (
        &["--set", "metrics.serviceMonitor.enabled=true,service.enabled=false"],
        "metrics.serviceMonitor.enabled needs service.enabled",
    ),
    (
        &["--set", "metrics.secure.enabled=true,metrics.podMonitor.enabled=true"],
        "needs metrics.podMonitor.authorization: a PodMonitor cannot show the token",
    ),
    (
        &["--set", "watchNamespaces={ml},clusterName=x,exportTo.namespaces={search}"],
        "exportTo.namespaces has search, which is not one of watchNamespaces",
    ),
    (&["--kube-version", "1.32.0"], "which is incompatible with Kubernetes v1.32.0"),
];

const SIMULATOR_COMBINATIONS: &[(&str, &[&str])] = &[
    ("nothing", &[]),
    (
        "everything",
        &[
            "--set",
            "image.repository=registry.example/sim,image.tag=x,imagePullSecrets[0].name=r,demo=false,manualClock=true",
            "--set",
            "creatingSeconds=0.5,updatingSeconds=0,readLagSeconds=3,port=80,switches.readLag=Both,fullnameOverride=aws",
            "--set",
            "throttles.UpdateProvisionedModelThroughput=2/5,nodeSelector.a=b,tolerations[0].operator=Exists",
            "--set-json",
            r#"seed={"foundationModels":[{"modelId":"amazon.nova-lite-v1:0:24k"}]}"#,
        ],
    ),
];

/// Does something with each element, a few at a time, and panics with everything that failed.
fn each<T: Sync>(all: &[T], check: impl Fn(&T) -> anyhow::Result<()> + Sync) {
    let parts: Vec<&[T]> = all.chunks(all.len().div_ceil(4).max(1)).collect();
    let failures: Vec<String> = thread::scope(|scope| {
        let check = &check;
        let threads: Vec<_> = parts
            .into_iter()
            .map(|part| {
                scope.spawn(move || {
                    let failed = part.iter().filter_map(|one| check(one).err());
                    failed.map(|error| format!("{error:#}")).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread ends")).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// The API server takes it: types, unknown fields, names, rules, and no warning of the Pod Security Standard.
fn dry_run(cluster: &Cluster, rendered: &str) -> anyhow::Result<()> {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile()?;
    file.write_all(rendered.as_bytes())?;
    let mut command = cluster.processes().kubectl();
    command.args([
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
        "--warnings-as-errors",
    ]);
    process::output(command.arg("--filename").arg(file.path())).map(drop)
}

fn namespaces(cluster: &Cluster) {
    for name in ["bedrock-throughput-system", "chart-a", "chart-b"] {
        cluster.make_namespace(name);
    }
}

#[test]
fn the_charts_are_well_formed() {
    for name in [OPERATOR, SIMULATOR] {
        succeed(helm().args(["lint", "--strict"]).arg(chart(name)));
    }
}

#[test]
fn every_combination_is_taken_by_a_real_api_server() {
    let cluster = Cluster::shared();
    namespaces(cluster);
    let of = |name, combinations: &'static [_]| combinations.iter().map(move |(what, values)| (name, *what, *values));
    let all: Vec<(&str, &str, &[&str])> =
        of(OPERATOR, COMBINATIONS).chain(of(SIMULATOR, SIMULATOR_COMBINATIONS)).collect();
    each(&all, |(name, what, values)| {
        let context = || format!("{name} with {what}");
        let rendered = template(name, values).map_err(|error| error.context(context()))?;
        dry_run(cluster, &rendered).map_err(|error| error.context(context()))
    });
}

#[test]
fn what_makes_no_sense_is_refused_with_a_sentence() {
    each(REFUSALS, |(values, sentence)| {
        let said = template(OPERATOR, values).err().map(|error| format!("{error:#}")).unwrap_or_default();
        // helm folds long sentences.
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        anyhow::ensure!(said.contains(sentence), "{values:?}: {said:?} does not say {sentence:?}");
        Ok(())
    });
}

/// Alerts and dashboards are files, whose braces are not helm's.
#[test]
fn rules_and_dashboard_are_the_files_as_they_are() {
    let cluster = Cluster::shared();
    namespaces(cluster);
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("chart");
    succeed(std::process::Command::new("cp").arg("-R").arg(chart(OPERATOR)).arg(&copy));
    let files = copy.join("files");
    let _ = fs::remove_dir_all(&files);
    let values = ["--set", "metrics.prometheusRule.enabled=true", "--set", "metrics.dashboard.enabled=true"];
    let render = || {
        let mut command = helm();
        command.args(["template", RELEASE]).arg(&copy).args(["--namespace", "bedrock-throughput-system"]).args(values);
        command
    };
    let said = fail(&mut render());
    assert!(said.contains("this chart has no files/"), "{said}");
    fs::create_dir(&files).expect("a folder");
    let rules = "groups:\n  - name: a\n    rules:\n      - alert: A\n        expr: vector(1)\n        annotations:\n          summary: '{{ $labels.name }} is {{ $value }}'\n";
    fs::write(files.join("rules.yaml"), rules).expect("rules");
    fs::write(files.join("dashboard.json"), "{\n  \"legend\": \"{{name}}\"\n}\n").expect("a dashboard");
    let rendered = succeed(&mut render());
    dry_run(cluster, &rendered).unwrap_or_else(|error| panic!("{error:#}"));
    assert!(rendered.contains("summary: '{{ $labels.name }} is {{ $value }}'"), "{rendered}");
    assert!(rendered.contains("\"legend\": \"{{name}}\""), "{rendered}");
}

/// The project's own rules and dashboard, where the chart has them.
#[test]
fn its_own_rules_and_dashboard_are_taken() {
    let cluster = Cluster::shared();
    namespaces(cluster);
    for (file, value) in [("rules.yaml", "prometheusRule"), ("dashboard.json", "dashboard")] {
        let setting = format!("metrics.{value}.enabled=true");
        let rendered = template(OPERATOR, &["--set", &setting]);
        if folders::root().join(OPERATOR).join("files").join(file).is_file() {
            let rendered = rendered.unwrap_or_else(|error| panic!("{error:#}"));
            dry_run(cluster, &rendered).unwrap_or_else(|error| panic!("{error:#}"));
        } else {
            let said = format!("{:#}", rendered.expect_err("there is no such file"));
            assert!(said.contains(&format!("this chart has no files/{file}")), "{said}");
        }
    }
}

#[test]
fn labels_of_others_change_neither_names_nor_what_is_selected() {
    let set =
        "commonLabels.team=ml,commonLabels.app\\.kubernetes\\.io/name=x,podLabels.app\\.kubernetes\\.io/instance=y";
    let changed = manifests(OPERATOR, &["--set", set]);
    let plain = manifests(OPERATOR, &[]);
    let selector = |manifests: &[Value]| {
        let deployment = the_only(manifests, "Deployment");
        let (selector, labels) =
            (&deployment["spec"]["selector"]["matchLabels"], &deployment["spec"]["template"]["metadata"]["labels"]);
        for (key, value) in selector.as_object().expect("labels") {
            assert_eq!(&labels[key], value, "the pods are those that are selected");
        }
        let service = &the_only(manifests, "Service")["spec"]["selector"];
        let budget = &the_only(manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"];
        assert_eq!((service, budget), (selector, selector));
        selector.clone()
    };
    assert_eq!(selector(&changed), selector(&plain));
    assert_eq!(selector(&plain), json!({"app.kubernetes.io/name": RELEASE, "app.kubernetes.io/instance": RELEASE}));
    for manifest in &changed {
        // The pod of `helm test` is not one of them.
        if manifest["kind"] != "Pod" {
            assert_eq!(manifest["metadata"]["labels"]["team"], "ml", "{manifest}");
        }
    }
}

/// A release called `y` or `1` is a name, not a boolean or a number.
#[test]
fn names_are_texts() {
    let mut command = helm();
    command.args(["template", "y"]).arg(chart(OPERATOR)).args([
        "--namespace",
        "1",
        "--set-string",
        "fullnameOverride=0",
    ]);
    let rendered = succeed(&mut command);
    for manifest in xtask::documents::split(&rendered) {
        let manifest: Value = serde_saphyr::from_str(&manifest).expect("YAML");
        let name = &manifest["metadata"]["name"];
        assert!(name.is_string(), "{name}");
        assert!(manifest["metadata"]["namespace"].as_str().is_none_or(|namespace| namespace == "1"), "{manifest}");
    }
}

/// A chart that depends on this one hands it `enabled` and `global`.
#[test]
fn it_can_be_a_part_of_another_chart() {
    let folder = tempfile::tempdir().expect("a folder");
    let parent = folder.path().join("parent");
    fs::create_dir_all(parent.join("charts")).expect("a folder");
    let dependency =
        "{name: bedrock-throughput-operator, version: '*', condition: bedrock-throughput-operator.enabled}";
    let about = format!("apiVersion: v2\nname: parent\nversion: 1.0.0\ndependencies:\n  - {dependency}\n");
    fs::write(parent.join("Chart.yaml"), about).expect("Chart.yaml");
    let values = "global:\n  region: x\nbedrock-throughput-operator:\n  enabled: true\n";
    fs::write(parent.join("values.yaml"), values).expect("values.yaml");
    succeed(helm().arg("package").arg(chart(OPERATOR)).arg("--destination").arg(parent.join("charts")));
    let render = |enabled: &str| succeed(helm().args(["template", "x"]).arg(&parent).args(["--set", enabled]));
    assert!(render("bedrock-throughput-operator.enabled=true").contains("kind: Deployment"));
    assert!(!render("bedrock-throughput-operator.enabled=false").contains("kind: Deployment"));
}
