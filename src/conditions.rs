//! Condition types, their reasons, and the merge that keeps transition times.
//!
//! The types follow kstatus (`sigs.k8s.io/cli-utils`, package `kstatus`): `Ready` and `Synced` are always there, `Reconciling`, `Stalled`
//! and `ModelAtRisk` only while they hold. [`Reason`] is the one list of reasons; `docs/troubleshooting.md` has a section for each.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The types of condition that the operator writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionType {
    /// In service, and as the manifest says where the policy lets the operator act.
    Ready,
    /// AWS has what the manifest says.
    Synced,
    /// Work is under way, or will be tried again by itself.
    Reconciling,
    /// Nothing will change until somebody changes the manifest, AWS or IAM.
    Stalled,
    /// What is served may not last: the model behind it is gone, has failed, or comes to its end. A warning that goes with any other state.
    ModelAtRisk,
}

impl ConditionType {
    /// Every type, in the order in which they are written.
    pub const ALL: [Self; 5] = [Self::Ready, Self::Synced, Self::Reconciling, Self::Stalled, Self::ModelAtRisk];

    /// The type as it stands in `status.conditions[].type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Synced => "Synced",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::ModelAtRisk => "ModelAtRisk",
        }
    }
}

/// The status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It could not be found out.
    Unknown,
}

impl ConditionStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::True, Self::False, Self::Unknown];

    /// The status as it stands in `status.conditions[].status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// What a reason means for what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// All is well, or is as the manifest asks.
    Settled,
    /// AWS is at work; the operator looks again until it is done.
    Waiting,
    /// A person's approval, a date or a turn is waited for. Looked at once an interval.
    Held,
    /// A passing fault; tried again by itself with growing pauses.
    Retrying,
    /// Nothing changes until somebody changes the manifest, AWS or IAM. Still looked at once an interval.
    Stalled,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident => $class:ident,)+) => {
        /// Why a condition has the status that it has.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The reason as it stands in `status.conditions[].reason` and in events.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// What happens next.
            pub fn class(self) -> Class {
                match self {
                    $(Self::$name => Class::$class,)+
                }
            }

            /// What the reason means, as one line.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii_start(),)+
                }
            }
        }
    };
}

reasons! {
    /// AWS says `InService`, and has what the manifest says.
    InService => Settled,
    /// AWS has what the manifest says.
    UpToDate => Settled,
    /// AWS has something else than the manifest says, and `managementPolicy: Observe` forbids changing it.
    DriftDetected => Settled,
    /// `suspend: true`: AWS is neither looked at nor changed.
    Suspended => Settled,
    /// AWS is still making the throughput.
    Creating => Waiting,
    /// A change was asked for, and AWS does not serve it yet.
    Updating => Waiting,
    /// AWS gave the throughput a status that this version of the operator does not know.
    UnknownStatus => Waiting,
    /// The wanted custom model is still being made.
    ModelNotReady => Waiting,
    /// AWS was asked to delete the throughput, and still has it.
    Deleting => Waiting,
    /// `approval: Manual`: what is due waits until a person approves exactly this plan.
    ApprovalRequired => Held,
    /// The object is being deleted, and AWS does not let the throughput go before the end of its commitment.
    CommitmentRunning => Held,
    /// Calls to AWS are paced, because it refused some or `--aws-change-limit` or `--aws-read-limit` is set: the object waits for its turn.
    RateLimited => Held,
    /// AWS refused the call because the throughput was busy.
    Conflict => Retrying,
    /// AWS refused the call because there were too many.
    Throttled => Retrying,
    /// AWS answered with an error of its own (5xx).
    AwsUnavailable => Retrying,
    /// AWS could not be reached, or the connection was lost.
    ConnectionFailed => Retrying,
    /// AWS did not answer in time.
    Timeout => Retrying,
    /// AWS answered something that cannot be understood.
    InvalidResponse => Retrying,
    /// The operator has no AWS credentials.
    CredentialsMissing => Retrying,
    /// AWS does not accept the operator's credentials: they are expired or wrong.
    CredentialsRejected => Retrying,
    /// The ConfigMap for applications could not be written.
    ExportFailed => Retrying,
    /// Kubernetes does not let the operator set or take off the finalizer of an object with `deletionPolicy: Delete`.
    FinalizerFailed => Retrying,
    /// The manifest says something that AWS would refuse, or that this version of the operator does not know.
    InvalidSpec => Stalled,
    /// AWS has no throughput of that ARN or name in that account and region.
    NotFound => Stalled,
    /// AWS has several throughputs of that name.
    AmbiguousName => Stalled,
    /// Another object manages the same throughput: an older one of this cluster, or the one that its tags name.
    AlreadyManaged => Stalled,
    /// AWS has a throughput of the wanted name that does not belong to this object, so none is bought.
    NameTaken => Stalled,
    /// A throughput is to be bought, and the operator runs without `--allow-create`.
    CreateNotAllowed => Stalled,
    /// The throughput is to be deleted, and the operator runs without `--allow-delete`.
    DeleteNotAllowed => Stalled,
    /// AWS has no model of that ARN or name in that account and region.
    ModelNotFound => Stalled,
    /// The wanted custom model failed to be made.
    ModelFailed => Stalled,
    /// The throughput serves a base model, which AWS cannot exchange.
    ModelFixed => Stalled,
    /// The wanted model is not made from the same base model, so AWS cannot move to it.
    NotSibling => Stalled,
    /// AWS could not make the throughput; it is not bought again until a person asks.
    CreateFailed => Stalled,
    /// AWS could not delete the throughput; it is not tried again until a person asks.
    DeleteFailed => Stalled,
    /// The account has no quota left for what is to be bought.
    QuotaExceeded => Stalled,
    /// The manifest asks for other model units or another commitment than were bought, and AWS cannot change them.
    CannotChange => Stalled,
    /// A ConfigMap of the name to export to belongs to somebody else.
    ExportConflict => Stalled,
    /// AWS says `Failed` after a change; it is not repeated until the manifest changes or a person asks.
    UpdateFailed => Stalled,
    /// AWS says `Failed`, and not because of a change by this object.
    Failed => Stalled,
    /// AWS refused the call.
    Refused => Stalled,
    /// IAM does not allow the operator the call.
    AccessDenied => Stalled,
    /// AWS calls the foundation model `LEGACY`: it will come to its end. A warning, on `ModelAtRisk` only.
    ModelLegacy => Settled,
    /// The foundation model comes to its end within 90 days, or has done so. A warning, on `ModelAtRisk` only.
    ModelEndOfLife => Settled,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The longest message that the API server takes for a condition, in bytes (Kubernetes type `metav1.Condition`).
const MESSAGE_MAX: usize = 32_768;

/// A condition to be, before it is merged with what was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its type.
    pub type_: ConditionType,
    /// Its status.
    pub status: ConditionStatus,
    /// Why.
    pub reason: Reason,
    /// The same for a person.
    pub message: String,
}

/// Makes the list of conditions: those wanted, with the transition time of `prior` wherever the status stays the same.
///
/// `now` is cut to whole seconds, because that is how the API server keeps it: otherwise every comparison would see a change.
#[must_use]
pub fn merge(prior: &[Condition], wanted: Vec<Wanted>, generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    wanted
        .into_iter()
        .map(|Wanted { type_, status, reason, message }| {
            let unchanged = prior.iter().find(|had| had.type_ == type_.as_str() && had.status == status.as_str());
            Condition {
                last_transition_time: unchanged
                    .map_or_else(|| whole_seconds(now), |had| had.last_transition_time.clone()),
                message: truncated(message, MESSAGE_MAX),
                observed_generation: generation,
                reason: reason.as_str().to_owned(),
                status: status.as_str().to_owned(),
                type_: type_.as_str().to_owned(),
            }
        })
        .collect()
}

/// A time as the API server keeps it: to the second.
#[must_use]
pub fn whole_seconds(time: Timestamp) -> Time {
    Time(Timestamp::from_second(time.as_second()).unwrap_or(time))
}

/// The time of a call as it is kept: to the second that ends after it, so that no look counts as later which is not.
#[must_use]
pub fn next_whole_second(time: Timestamp) -> Time {
    let whole = whole_seconds(time);
    if whole.0 == time { whole } else { Time(whole.0.checked_add(SignedDuration::from_secs(1)).unwrap_or(time)) }
}

/// Cuts a text to at most `max` bytes, at the end of a character, and marks the cut.
#[must_use]
pub fn truncated(mut text: String, max: usize) -> String {
    const MARK: &str = "…";
    if text.len() > max {
        let mut end = max.saturating_sub(MARK.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(MARK);
    }
    text
}

/// The condition of a type, if it is there.
#[must_use]
pub fn find(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == type_.as_str())
}

/// Whether the condition of a type is there and holds.
#[must_use]
pub fn is_true(conditions: &[Condition], type_: ConditionType) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == ConditionStatus::True.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::new(second, 123_456_789).unwrap()
    }

    fn ready(status: ConditionStatus, message: &str) -> Vec<Wanted> {
        vec![Wanted { type_: ConditionType::Ready, status, reason: Reason::InService, message: message.into() }]
    }

    #[test]
    fn the_transition_time_stays_while_the_status_stays() {
        let first = merge(&[], ready(ConditionStatus::True, "one"), Some(1), at(100));
        let second = merge(&first, ready(ConditionStatus::True, "two"), Some(2), at(200));
        assert_eq!(second[0].last_transition_time.0.as_second(), 100);
        assert_eq!(second[0].message, "two");
        assert_eq!(second[0].observed_generation, Some(2));
        let third = merge(&second, ready(ConditionStatus::False, "two"), Some(2), at(300));
        assert_eq!(third[0].last_transition_time.0.as_second(), 300);
    }

    #[test]
    fn times_have_no_fraction_so_that_a_round_trip_changes_nothing() {
        let conditions = merge(&[], ready(ConditionStatus::True, ""), None, at(100));
        let back: Vec<Condition> = serde_json::from_value(serde_json::to_value(&conditions).unwrap()).unwrap();
        assert_eq!(back, conditions);
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let cut = truncated("ü".repeat(30_000), MESSAGE_MAX);
        assert!(cut.len() <= MESSAGE_MAX && cut.ends_with('…'));
        assert_eq!(truncated("short".into(), 10), "short");
    }

    #[test]
    fn every_reason_is_a_legal_one_with_a_meaning() {
        for reason in Reason::ALL {
            assert!(reason.as_str().chars().all(|c| c.is_ascii_alphanumeric()), "{reason}");
            assert!(reason.meaning().ends_with('.'), "{reason}: {}", reason.meaning());
        }
    }

    #[test]
    fn every_reason_has_its_section_in_the_documentation() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/troubleshooting.md")).unwrap();
        let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        let sections: Vec<&str> = headings.into_iter().filter(|heading| !heading.contains(' ')).collect();
        assert_eq!(sections, reasons);
        for reason in Reason::ALL {
            let section = format!("## {reason}\n\n{}\n", reason.meaning());
            assert!(text.contains(&section), "docs/troubleshooting.md should have:\n{section}");
        }
    }
}
