//! The command `plan`: reads manifests and the cluster, looks at AWS, and tells.

use std::{collections::HashMap, io::Write as _, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use kube::{Api, Client, Resource as _, ResourceExt as _, api::ListParams, core::DeserializeGuard};

use super::{
    Candidate, Known, Settings,
    admission::{Admission, Refusal},
    manifests::{Manifest, Manifests},
    preview,
    render::Report,
};
use crate::{
    bedrock::{Looks, sdk::Sdk},
    cli, cluster,
    crd::ProvisionedThroughput,
    desired::Defaults,
    identifiers::Region,
    plan::Permits,
    report::{ReportError, Watched, within},
};

/// The namespace of manifests that name none, as kubectl has it.
const DEFAULT_NAMESPACE: &str = "default";

/// Tells what the operator would do, and does none of it.
///
/// # Errors
/// When it cannot begin: no cluster where one is asked for, or a region that is none. What is wrong with single objects is told with the rest.
pub async fn run(flags: cli::Plan) -> anyhow::Result<ExitCode> {
    let sdk = Sdk::from_environment(flags.aws_timeout).await;
    let region =
        sdk.region().map(Region::parse).transpose().context("reading the region (AWS_REGION or the AWS profile)")?;
    // From here on nothing can be changed at AWS.
    let looks: Arc<dyn Looks> = Arc::new(sdk);
    let output = flags.output;
    let report = report(flags, looks, region).await?;
    for error in report.errors() {
        eprintln!("error: {error}");
    }
    let text = report.text(output)?;
    std::io::stdout().lock().write_all(text.as_bytes()).context("writing the plan")?;
    Ok(ExitCode::from(report.exit_code()))
}

async fn report(flags: cli::Plan, looks: Arc<dyn Looks>, region: Option<Region>) -> anyhow::Result<Report> {
    let cli::Plan {
        filename,
        namespace,
        live,
        output: _,
        allow_create,
        allow_delete,
        cluster_name,
        read_lag,
        default_interval,
        aws_timeout: _,
    } = flags;
    let namespace = namespace.as_deref();
    let cluster = if live || filename.is_empty() { Some(Cluster::read(namespace).await?) } else { None };
    let cluster_uid = match &cluster {
        Some(cluster) if cluster_name.is_none() => {
            cluster::uid(&cluster.client).await.context("reading the namespace kube-system")?
        }
        Some(_) | None => None,
    };
    let settings = Settings {
        defaults: Defaults { region, interval: default_interval, cluster: cluster_name.or(cluster_uid) },
        read_lag,
        permits: Permits { create: allow_create, delete: allow_delete },
        known: match (&cluster, namespace) {
            (None, _) => Known::Nothing,
            (Some(_), Some(namespace)) => Known::Namespace(namespace.to_owned()),
            (Some(_), None) => Known::Cluster,
        },
    };
    let default_namespace = cluster.as_ref().map_or(DEFAULT_NAMESPACE, |cluster| cluster.client.default_namespace());
    let admission = Admission::new()?;
    let Manifests { manifests, mut problems, passed_over } =
        Manifests::read(&filename, namespace, default_namespace, &admission);
    let mut others = cluster.map(|cluster| cluster.objects).unwrap_or_default();
    let candidates = if filename.is_empty() {
        std::mem::take(&mut others).into_iter().map(|object| Candidate { object, origin: None }).collect()
    } else {
        let mut by_name: HashMap<(String, String), Watched> =
            others.into_iter().map(|object| (key(&object), object)).collect();
        let mut candidates = Vec::new();
        for manifest in manifests {
            let live = by_name.remove(&(manifest.object.namespace().unwrap_or_default(), manifest.object.name_any()));
            match applied(&manifest, live, &admission) {
                Ok(object) => candidates.push(Candidate { object, origin: Some(manifest.origin) }),
                Err(refusals) => problems.extend(refusals.iter().map(|refusal| manifest.problem(refusal))),
            }
        }
        others = by_name.into_values().collect();
        candidates
    };
    let steps = preview(looks, &candidates, &others, &settings).await;
    Ok(Report { steps, problems, passed_over })
}

/// The object that is in the cluster when a manifest has been applied over `live`.
fn applied(manifest: &Manifest, live: Option<Watched>, admission: &Admission) -> Result<Watched, Vec<Refusal>> {
    let mut object = manifest.object.clone();
    let Some(live) = live else { return Ok(DeserializeGuard(Ok(object))) };
    let mut metadata = live.meta().clone();
    // Annotations that the manifest does not name were set by others, and stay.
    metadata.annotations.get_or_insert_default().extend(object.annotations().clone());
    if let Ok(live) = &live.0 {
        object.status.clone_from(&live.status);
        if live.spec != object.spec {
            metadata.generation = metadata.generation.map(|generation| generation.saturating_add(1));
        }
        let json = |object: &ProvisionedThroughput| serde_json::to_value(object).unwrap_or_default();
        let refusals = admission.admit(&mut json(&object), Some(&json(live)));
        if !refusals.is_empty() {
            return Err(refusals);
        }
    }
    object.metadata = metadata;
    Ok(DeserializeGuard(Ok(object)))
}

fn key(object: &Watched) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// What is read of a cluster.
struct Cluster {
    client: Client,
    /// The objects of one namespace, or of all, by namespace and name.
    objects: Vec<Watched>,
}

impl Cluster {
    async fn read(namespace: Option<&str>) -> anyhow::Result<Self> {
        let client = Client::try_default()
            .await
            .context("configuring the Kubernetes client from KUBECONFIG or the pod's service account; without a cluster, name manifests with -f")?;
        let api: Api<Watched> =
            namespace.map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace));
        let scope = namespace.map_or_else(|| "all namespaces".to_owned(), |namespace| format!("namespace {namespace}"));
        let listed = within(api.list(&ListParams::default())).await;
        let mut objects = match listed {
            Ok(listed) => listed.items,
            // What the API server has no kind for is what it says 404 to.
            Err(ReportError::Gone) => {
                anyhow::bail!("the cluster has no kind ProvisionedThroughput: install the CRD first")
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("reading the ProvisionedThroughputs of {scope}, which takes list on provisionedthroughputs; --namespace narrows it")
                });
            }
        };
        objects.sort_by_cached_key(key);
        Ok(Self { client, objects })
    }
}
