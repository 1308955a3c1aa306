//! Who calls: from the `Authorization` header. The signature itself is not verified, since nothing here is worth protecting.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::{
    error::{ApiError, ErrorCode},
    iam::{Policy, PolicyError},
    world::{Caller, DEFAULT_ACCOUNT},
};

/// The service that a signature must be for.
const SERVICE: &str = "bedrock";

/// Which access key belongs to which account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessKeys {
    accounts: BTreeMap<String, String>,
    expired: BTreeSet<String>,
    only_known: bool,
    policies: BTreeMap<String, Policy>,
}

/// Who signed a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The access key.
    pub access_key: String,
    /// Its account, and the region that the signature is for.
    pub caller: Caller,
}

impl AccessKeys {
    /// Gives a key to an account.
    pub fn add(&mut self, key: &str, account: &str) {
        self.accounts.insert(key.to_owned(), account.to_owned());
    }

    /// Lets the token of a key have run out, or not.
    pub fn set_expired(&mut self, key: &str, expired: bool) {
        if expired {
            self.expired.insert(key.to_owned());
        } else {
            self.expired.remove(key);
        }
    }

    /// Refuses keys that belong to nobody. Without it they belong to [`DEFAULT_ACCOUNT`].
    pub fn refuse_unknown(&mut self, refuse: bool) {
        self.only_known = refuse;
    }

    /// Gives a key an IAM policy, or takes it away: then the key may do everything.
    ///
    /// # Errors
    /// When the policy is not one that AWS would take and the simulator can hold to, or nothing can be signed with the key. The key
    /// has the policy that it had, then.
    pub fn set_policy(&mut self, key: &str, document: Option<Value>) -> Result<(), PolicyError> {
        // In a signature, other characters would end the key.
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
            let reason = "an access key has letters, digits, - and _ only";
            return Err(PolicyError::new(format!("the access key {key:?}"), reason));
        }
        match document {
            Some(document) => self.policies.insert(key.to_owned(), Policy::parse(document)?),
            None => self.policies.remove(key),
        };
        Ok(())
    }

    /// The policy of a key, if it has one.
    #[must_use]
    pub fn policy(&self, key: &str) -> Option<&Policy> {
        self.policies.get(key)
    }

    /// The policies of all keys that have one.
    #[must_use]
    pub fn policies(&self) -> &BTreeMap<String, Policy> {
        &self.policies
    }

    /// Who signed a call.
    ///
    /// # Errors
    /// What AWS's front door answers to a header that is missing, broken, of nobody, or out of date.
    pub fn identify(&self, authorization: Option<&str>) -> Result<Identity, ApiError> {
        let header = authorization.ok_or_else(|| {
            ApiError::new(ErrorCode::MissingAuthenticationTokenException, "Missing Authentication Token")
        })?;
        let broken = || {
            ApiError::new(
                ErrorCode::IncompleteSignatureException,
                "Authorization header requires 'Credential' parameter.",
            )
        };
        let credential = header
            .strip_prefix("AWS4-HMAC-SHA256")
            .and_then(|parameters| {
                parameters.split(',').find_map(|parameter| parameter.trim().strip_prefix("Credential="))
            })
            .ok_or_else(broken)?;
        let fields: Vec<&str> = credential.split('/').collect();
        let [key, _date, region, service, "aws4_request"] = fields.as_slice() else { return Err(broken()) };
        if *service != SERVICE {
            let message = format!("Credential should be scoped to correct service: '{SERVICE}'.");
            return Err(ApiError::new(ErrorCode::InvalidSignatureException, message));
        }
        if self.expired.contains(*key) {
            let message = "The security token included in the request is expired";
            return Err(ApiError::new(ErrorCode::ExpiredTokenException, message));
        }
        let account = match self.accounts.get(*key) {
            Some(account) => account,
            None if !self.only_known => DEFAULT_ACCOUNT,
            None => {
                let message = "The security token included in the request is invalid.";
                return Err(ApiError::new(ErrorCode::UnrecognizedClientException, message));
            }
        };
        Ok(Identity { access_key: (*key).to_owned(), caller: Caller::new(account, *region) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(key: &str, service: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential={key}/20260101/us-west-2/{service}/aws4_request, SignedHeaders=host, Signature=00"
        )
    }

    fn code(keys: &AccessKeys, header: Option<&str>) -> ErrorCode {
        keys.identify(header).unwrap_err().code
    }

    #[test]
    fn the_account_comes_from_the_key_and_the_region_from_the_scope() {
        let mut keys = AccessKeys::default();
        keys.add("MINE", "111111111111");
        for (key, account) in [("MINE", "111111111111"), ("ANY", DEFAULT_ACCOUNT)] {
            let identity = Identity { access_key: key.to_owned(), caller: Caller::new(account, "us-west-2") };
            assert_eq!(keys.identify(Some(&header(key, "bedrock"))), Ok(identity));
        }
    }

    #[test]
    fn the_front_door_refuses_as_aws_does() {
        let mut keys = AccessKeys::default();
        keys.set_expired("OLD", true);
        keys.refuse_unknown(true);
        assert_eq!(code(&keys, None), ErrorCode::MissingAuthenticationTokenException);
        for broken in ["Bearer x", "AWS4-HMAC-SHA256 SignedHeaders=host", "AWS4-HMAC-SHA256 Credential=a/b/c"] {
            assert_eq!(code(&keys, Some(broken)), ErrorCode::IncompleteSignatureException, "{broken}");
        }
        assert_eq!(code(&keys, Some(&header("X", "s3"))), ErrorCode::InvalidSignatureException);
        assert_eq!(code(&keys, Some(&header("OLD", "bedrock"))), ErrorCode::ExpiredTokenException);
        assert_eq!(code(&keys, Some(&header("X", "bedrock"))), ErrorCode::UnrecognizedClientException);
    }
}
