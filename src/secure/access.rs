//! Who may read `/metrics`: Kubernetes says who somebody is (`TokenReview`) and what they may (`SubjectAccessReview`).

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use sha2::{Digest as _, Sha256};
use tokio::{sync::Semaphore, time::Instant};

/// How long a decision stands. A right that is taken away is gone by then, and one that is given is not waited for.
const ALLOWED_KEPT: Duration = Duration::from_mins(1);
const REFUSED_KEPT: Duration = Duration::from_secs(10);
/// The most decisions that are kept, so that tokens that are made up fill no memory.
const MOST: usize = 256;
/// The most questions at a time, so that they do not press on the API server.
const ASKING: usize = 4;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether somebody may read `/metrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// They may.
    Allowed,
    /// Kubernetes does not know the token.
    Unauthenticated,
    /// They may not.
    Forbidden {
        /// Who they are.
        user: String,
    },
}

/// It could not be found out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The operator may not ask.
    #[error(
        "RBAC does not let the operator find out who may read /metrics: bind the ClusterRole system:auth-delegator to it: {0}"
    )]
    Forbidden(String),
    /// The API server does not answer, or not with what was asked.
    #[error("who may read /metrics could not be found out: {0}")]
    Failed(String),
}

/// Asks Kubernetes, and keeps what it says for a while.
pub struct Access {
    client: Client,
    /// By the hash of the token: tokens themselves are not kept.
    decisions: Mutex<HashMap<[u8; 32], (Decision, Instant)>>,
    asking: Semaphore,
}

impl Access {
    /// Asks with `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, decisions: Mutex::default(), asking: Semaphore::new(ASKING) }
    }

    /// Whether the bearer of a token may read `/metrics`.
    ///
    /// # Errors
    /// When Kubernetes does not say.
    pub async fn decide(&self, token: &str) -> Result<Decision, AccessError> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(decision) = self.kept(&hash) {
            return Ok(decision);
        }
        let no_answer = || AccessError::Failed(format!("the API server did not answer within {PATIENCE:?}"));
        let decision = tokio::time::timeout(PATIENCE, async {
            // The semaphore is never closed.
            let _permit = self.asking.acquire().await;
            self.ask(token).await
        })
        .await
        .map_err(|_| no_answer())??;
        self.keep(hash, decision.clone(), Instant::now());
        Ok(decision)
    }

    async fn ask(&self, token: &str) -> Result<Decision, AccessError> {
        let review = TokenReview {
            metadata: ObjectMeta::default(),
            spec: TokenReviewSpec { token: Some(token.to_owned()), audiences: None },
            status: None,
        };
        let reviewed = self.create(&review).await?.status.unwrap_or_default();
        let (Some(true), Some(user)) = (reviewed.authenticated, reviewed.user) else {
            return Ok(Decision::Unauthenticated);
        };
        let UserInfo { username, uid, groups, extra } = user;
        let attributes = NonResourceAttributes { path: Some("/metrics".to_owned()), verb: Some("get".to_owned()) };
        let review = SubjectAccessReview {
            metadata: ObjectMeta::default(),
            spec: SubjectAccessReviewSpec {
                user: username.clone(),
                uid,
                groups,
                extra,
                non_resource_attributes: Some(attributes),
                resource_attributes: None,
            },
            status: None,
        };
        let is_allowed = self.create(&review).await?.status.is_some_and(|status| status.allowed);
        let user = username.unwrap_or_default();
        Ok(if is_allowed { Decision::Allowed } else { Decision::Forbidden { user } })
    }

    async fn create<K>(&self, review: &K) -> Result<K, AccessError>
    where
        K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
    {
        let api: Api<K> = Api::all(self.client.clone());
        api.create(&PostParams::default(), review).await.map_err(|error| match error {
            kube::Error::Api(status) if status.is_forbidden() => AccessError::Forbidden(status.message.clone()),
            kube::Error::Api(status) => AccessError::Failed(status.message.clone()),
            error => AccessError::Failed(error.to_string()),
        })
    }

    fn kept(&self, hash: &[u8; 32]) -> Option<Decision> {
        let now = Instant::now();
        self.decisions().get(hash).filter(|(_, until)| now < *until).map(|(decision, _)| decision.clone())
    }

    fn keep(&self, hash: [u8; 32], decision: Decision, now: Instant) {
        let kept = match decision {
            Decision::Allowed => ALLOWED_KEPT,
            Decision::Unauthenticated | Decision::Forbidden { .. } => REFUSED_KEPT,
        };
        let mut decisions = self.decisions();
        if decisions.len() >= MOST {
            decisions.retain(|_, (_, until)| now < *until);
        }
        if decisions.len() >= MOST {
            // Those who may read are asked for anew.
            decisions.clear();
        }
        decisions.insert(hash, (decision, now + kept));
    }

    fn decisions(&self) -> MutexGuard<'_, HashMap<[u8; 32], (Decision, Instant)>> {
        // A poisoned lock only means that another thread ended while it held the map, which is whole at any moment.
        self.decisions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}
