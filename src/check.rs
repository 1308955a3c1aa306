//! `check`: asks URLs, for `helm test`, whose image has nothing but this binary.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use axum::http::{Request, Uri, uri::PathAndQuery};
use kube::{Client, Config, client::Body};

use crate::cli::Check;

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// Asks each URL until it answers with success, and prints what it answered.
///
/// # Errors
/// When one does not do so in time; the error has the URL and the last answer.
pub async fn run(flags: Check) -> anyhow::Result<()> {
    let Check { urls, timeout } = flags;
    for url in &urls {
        let begin = Instant::now();
        let answer = loop {
            let left = timeout.saturating_sub(begin.elapsed());
            let answer = tokio::time::timeout(left, get(url)).await.context("no answer").and_then(|answer| answer);
            match answer {
                Ok(answer) => break answer,
                Err(error) if left <= PAUSE => {
                    return Err(error).with_context(|| format!("{url} did not answer well within {timeout:?}"));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        };
        println!("{url}: {}", answer.lines().next().unwrap_or("(nothing)"));
    }
    Ok(())
}

/// The body of a good answer.
async fn get(url: &Uri) -> anyhow::Result<String> {
    // The client puts the path of its server before that of each request.
    let mut server = url.clone().into_parts();
    server.path_and_query = Some(PathAndQuery::from_static("/"));
    let mut config = Config::new(Uri::from_parts(server).context("reading the URL")?);
    config.default_retry = false;
    let client = Client::try_from(config).context("making an HTTP client")?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let answer = client.send(Request::get(path).body(Body::empty())?).await?;
    let status = answer.status();
    let body = answer.into_body().collect_bytes().await.context("reading the answer")?;
    let body = String::from_utf8_lossy(&body).into_owned();
    if !status.is_success() {
        bail!("{status}: {}", body.trim());
    }
    Ok(body)
}
