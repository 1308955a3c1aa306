//! `/metrics` by TLS, for those whom Kubernetes lets.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;

use self::{
    access::{Access, Decision},
    certificate::Certificates,
};
use crate::{controller::Shutdown, metrics::Metrics};

pub mod access;
pub mod certificate;

/// The most connections at a time. Those who scrape are few; more than that wait.
const CONNECTIONS: usize = 64;
/// How long the other side may take for the TLS handshake, and for the head of a request, also of the next one on a connection.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long answers that are under way are waited for at the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Takes the address. Serving begins with [`serve`], so that an address in use ends the process before anything is done.
///
/// # Errors
/// When the address cannot be bound.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("binding {address} for /metrics (--metrics-secure-addr)"))
}

/// Serves until `shutdown`.
pub async fn serve(
    listener: TcpListener,
    certificates: Certificates,
    access: Access,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
) {
    let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
    tracing::info!(address, "/metrics is served by TLS");
    let acceptor = TlsAcceptor::from(certificates.server_config());
    let router = Router::new().route("/metrics", get(guarded)).with_state((Arc::new(access), metrics));
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let accepting = async {
        // The semaphore is never closed.
        while let Ok(permit) = Arc::clone(&connections).acquire_owned().await {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection to /metrics could not be taken");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            let (acceptor, router, watcher) = (acceptor.clone(), router.clone(), graceful.watcher());
            tokio::spawn(async move {
                connection(stream, &acceptor, router, watcher).await;
                drop(permit);
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        () = certificates.follow() => {}
        () = shutdown => {}
    }
    // Who has not read its answer by then has been told enough.
    let _ = tokio::time::timeout(FAREWELL, graceful.shutdown()).await;
}

/// One connection. What goes wrong with it is the other side's affair.
async fn connection(stream: TcpStream, acceptor: &TlsAcceptor, router: Router, watcher: Watcher) {
    let stream = match tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "no TLS handshake for /metrics"),
        Err(_) => return tracing::debug!("no TLS handshake for /metrics in time"),
    };
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = watcher.watch(served).await {
        tracing::debug!(%error, "a connection to /metrics broke");
    }
}

async fn guarded(State((access, metrics)): State<(Arc<Access>, Arc<Metrics>)>, headers: HeaderMap) -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    let Some(token) = bearer(&headers) else {
        let says = "send the bearer token of a ServiceAccount, in the header Authorization\n";
        return (StatusCode::UNAUTHORIZED, challenge, says).into_response();
    };
    match access.decide(token).await {
        Ok(Decision::Allowed) => metrics.answer(&headers),
        Ok(Decision::Unauthenticated) => {
            (StatusCode::UNAUTHORIZED, challenge, "Kubernetes does not know this token\n").into_response()
        }
        Ok(Decision::Forbidden { user }) => {
            let says = format!(
                "{user} may not get the non-resource URL /metrics: bind the ClusterRole bedrock-throughput-operator-metrics-reader to it\n"
            );
            (StatusCode::FORBIDDEN, says).into_response()
        }
        Err(error) => {
            tracing::warn!(%error, "nobody could be let in to /metrics");
            (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response()
        }
    }
}

/// The token of a header `Authorization: Bearer …` (RFC 6750, section 2.1); the scheme in any case (RFC 9110, section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_token_is_taken() {
        let token = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(token("Bearer abc"), Some("abc".to_owned()));
        assert_eq!(token("bearer  abc"), Some("abc".to_owned()));
        for none in ["abc", "Basic abc", "Bearer", "Bearer "] {
            assert_eq!(token(none), None, "{none}");
        }
    }
}
