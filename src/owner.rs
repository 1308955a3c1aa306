//! Whose a throughput is: tags at AWS that name the object which manages it with `managementPolicy: Full`.

use std::{collections::BTreeMap, fmt};

/// The key of the tag that names the cluster.
pub const CLUSTER: &str = "bedrock-throughput.dev/cluster";
/// The key of the tag that names the namespace.
pub const NAMESPACE: &str = "bedrock-throughput.dev/namespace";
/// The key of the tag that names the object.
pub const NAME: &str = "bedrock-throughput.dev/name";
/// The key of the tag with the object's uid.
pub const UID: &str = "bedrock-throughput.dev/uid";

/// An object in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// What the operator there was told with `--cluster-name`, or the uid of its namespace `kube-system`.
    pub cluster: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The uid.
    pub uid: String,
}

impl Owner {
    /// The owner that tags name, if they name one.
    #[must_use]
    pub fn from_tags(tags: &BTreeMap<String, String>) -> Option<Self> {
        let tag = |key| tags.get(key).cloned();
        Some(Self {
            cluster: tag(CLUSTER)?,
            namespace: tag(NAMESPACE)?,
            name: tag(NAME)?,
            uid: tag(UID).unwrap_or_default(),
        })
    }

    /// The tags that name it.
    #[must_use]
    pub fn tags(&self) -> BTreeMap<String, String> {
        let Self { cluster, namespace, name, uid } = self.clone();
        [(CLUSTER, cluster), (NAMESPACE, namespace), (NAME, name), (UID, uid)]
            .map(|(key, value)| (key.to_owned(), value))
            .into()
    }

    /// Whether it is the same object, be it made anew: the uid does not count, which a restored or reapplied object gets anew.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        (&self.cluster, &self.namespace, &self.name) == (&other.cluster, &other.namespace, &other.name)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, namespace, name, uid: _ } = self;
        write!(f, "{cluster}/{namespace}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_comes_back_from_its_tags() {
        let owner = Owner { cluster: "prod".into(), namespace: "ml".into(), name: "a".into(), uid: "u".into() };
        assert_eq!(Owner::from_tags(&owner.tags()), Some(owner.clone()));
        assert_eq!(Owner::from_tags(&BTreeMap::from([("team".into(), "x".into())])), None);
        assert!(owner.is(&Owner { uid: "other".into(), ..owner.clone() }));
        assert!(!owner.is(&Owner { cluster: "other".into(), ..owner.clone() }));
        assert_eq!(owner.to_string(), "prod/ml/a");
    }
}
