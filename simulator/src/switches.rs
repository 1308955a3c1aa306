//! What AWS leaves unsaid. Each question is a switch with a documented default, so that a client can be tried under every answer.

use serde::{Deserialize, Serialize};

/// A switch as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SwitchInfo {
    /// Its name, on the command line and under `/_simulator/switches`.
    pub name: &'static str,
    /// What AWS does not say.
    pub question: &'static str,
    /// The answers, the default first.
    pub settings: &'static [&'static str],
}

/// A switch or a setting that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// No such switch.
    #[error("there is no switch {0:?}; the switches are {names}", names = Switches::ALL.iter().map(|switch| switch.name).collect::<Vec<_>>().join(", "))]
    NoSwitch(String),
    /// No such setting.
    #[error("switch {name} has no setting {value:?}; the settings are {settings}")]
    NoSetting {
        /// The switch.
        name: &'static str,
        /// What was asked for.
        value: String,
        /// What there is.
        settings: String,
    },
}

macro_rules! switches {
    ($($(#[doc = $question:literal])+ $field:ident $name:literal $type:ident { $($(#[doc = $doc:literal])+ $first_or_other:ident),+ $(,)? })+) => {
        $(
            $(#[doc = $question])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
            pub enum $type { $($(#[doc = $doc])+ $first_or_other),+ }

            impl $type {
                /// Every setting, the default first.
                pub const ALL: &[Self] = &[$(Self::$first_or_other),+];

                /// The name of the setting.
                #[must_use]
                pub fn as_str(self) -> &'static str {
                    match self { $(Self::$first_or_other => stringify!($first_or_other)),+ }
                }
            }
        )+

        /// The setting of every switch.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Switches {
            $($(#[doc = $question])+ #[serde(rename = $name)] pub $field: $type),+
        }

        impl Default for Switches {
            fn default() -> Self {
                Self { $($field: const { from_first($type::ALL) }),+ }
            }
        }

        impl Switches {
            /// Every switch there is.
            pub const ALL: &[SwitchInfo] = &[
                $(SwitchInfo {
                    name: $name,
                    question: concat!($($question),+),
                    settings: &[$(stringify!($first_or_other)),+],
                }),+
            ];

            /// Turns a switch, by name.
            ///
            /// # Errors
            /// When there is no such switch or setting; the error lists what there is.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), SwitchError> {
                match name {
                    $($name => {
                        self.$field = $type::ALL.iter().copied().find(|setting| setting.as_str() == value).ok_or_else(|| {
                            SwitchError::NoSetting {
                                name: $name,
                                value: value.to_owned(),
                                settings: $type::ALL.iter().map(|setting| setting.as_str()).collect::<Vec<_>>().join(", "),
                            }
                        })?;
                        Ok(())
                    })+
                    _ => Err(SwitchError::NoSwitch(name.to_owned())),
                }
            }
        }
    };
}

#[allow(clippy::panic, reason = "it is met when the crate is compiled, if at all")]
const fn from_first<T: Copy>(all: &[T]) -> T {
    match all {
        [first, ..] => *first,
        [] => panic!("a switch without settings"),
    }
}

switches! {
    /// The error of Update and Delete while the throughput is `Updating`. Update models no `ConflictException`, Delete does.
    busy_error "busyError" BusyError {
        /// 400, modelled by both.
        ValidationException,
        /// 400, not modelled by Update.
        ConflictException,
    }
    /// Whether Update is let through while the throughput is `Creating`.
    update_while_creating "updateWhileCreating" UpdateWhileCreating {
        /// Refused as while `Updating`.
        Refused,
        /// Let through.
        Allowed,
    }
    /// Whether Delete is let through while the throughput is `Creating`.
    delete_while_creating "deleteWhileCreating" DeleteWhileCreating {
        /// Refused as while `Updating`.
        Refused,
        /// Let through.
        Allowed,
    }
    /// Whether Update is let through while the throughput is `Failed`.
    update_while_failed "updateWhileFailed" UpdateWhileFailed {
        /// Let through.
        Allowed,
        /// Refused as while `Updating`.
        Refused,
    }
    /// What `desiredModelArn` shows after an update that failed.
    failed_update_model "failedUpdateModel" FailedUpdateModel {
        /// The model that is served, again.
        RolledBack,
        /// The model that was asked for, still.
        KeepsDesired,
    }
    /// The status after an update that failed.
    failed_update_status "failedUpdateStatus" FailedUpdateStatus {
        /// `Failed`, with a `failureMessage`.
        Failed,
        /// `InService`, with a `failureMessage`.
        InServiceWithMessage,
        /// `InService`, and nothing tells.
        InServiceSilently,
    }
    /// Whether a change of the name alone passes through `Updating`.
    rename "rename" Rename {
        /// The new name is there at once.
        AtOnce,
        /// `Updating` first; the new name is there at the end.
        ThroughUpdating,
    }
    /// Whether the new name is shown while an update of name and model is under way.
    name_while_updating "nameWhileUpdating" NameWhileUpdating {
        /// The new name is there at once.
        New,
        /// The old name stays until the update is done.
        Old,
    }
    /// The name after an update of name and model that failed.
    name_after_failed_update "nameAfterFailedUpdate" NameAfterFailedUpdate {
        /// The new one.
        New,
        /// The one before, again.
        Old,
    }
    /// Whether a throughput that failed to be made keeps its name from others.
    name_after_failed_create "nameAfterFailedCreate" NameAfterFailedCreate {
        /// It does, until it is deleted.
        Kept,
        /// It does not: another one can have the name.
        Freed,
    }
    /// What comes of a name that another throughput of the account and region has.
    duplicate_name "duplicateName" DuplicateName {
        /// Refused with `ValidationException`.
        ValidationException,
        /// Refused with `ConflictException`, which neither Create nor Update models.
        ConflictException,
        /// Let through: two throughputs have the name.
        Allowed,
    }
    /// Whether a throughput that was moved to its base model can go back to a custom model.
    custom_to_base "customToBase" CustomToBase {
        /// It cannot: it is now one on a base model.
        OneWay,
        /// It can.
        CanGoBack,
    }
    /// Whether variants of a base model for other context lengths count as the same base model.
    same_base "sameBase" SameBase {
        /// They do.
        Family,
        /// They do not.
        Exact,
    }
    /// Which reads lag behind writes, by the setting `readLagSeconds`.
    read_lag "readLag" ReadLag {
        /// None.
        None,
        /// List does.
        List,
        /// Get does.
        Get,
        /// Both do.
        Both,
    }
    /// Whether `ListTagsForResource` lags behind writes, by the setting `readLagSeconds`.
    tag_read_lag "tagReadLag" TagReadLag {
        /// It does not.
        None,
        /// It does, also behind the tags of a Create: at first there are none.
        Lags,
    }
    /// How a list is sorted that is not asked for in an order.
    default_order "defaultOrder" DefaultOrder {
        /// The newest first.
        Descending,
        /// The oldest first.
        Ascending,
    }
    /// What a Create answers whose token was used before.
    token_replay "tokenReplay" TokenReplay {
        /// The ARN of the first time.
        SameArn,
        /// A body without an ARN.
        EmptyBody,
    }
    /// The error of Delete while a commitment runs.
    committed_error "committedError" CommittedError {
        /// 400, modelled by Delete.
        ConflictException,
        /// 400.
        ValidationException,
    }
    /// What comes of a commitment at its end.
    commitment_end "commitmentEnd" CommitmentEnd {
        /// It is renewed: the expiration time moves by a term, and Delete is refused until then.
        Renews,
        /// It ends: the expiration time stays in the past, and Delete is let through.
        Ends,
    }
    /// Whether `GetCustomModel` tells the base model.
    custom_model_base "customModelBase" CustomModelBase {
        /// It does.
        Told,
        /// It leaves it out, which the API allows.
        LeftOut,
    }
    /// Whether `GetCustomModel` tells the status.
    custom_model_status "customModelStatus" CustomModelStatus {
        /// It does.
        Told,
        /// It leaves it out, which the API allows.
        LeftOut,
    }
    /// What comes of an Update that asks for what is there.
    no_op_update "noOpUpdate" NoOpUpdate {
        /// Nothing happens, and it is answered as done.
        Accepted,
        /// Refused with `ValidationException`.
        Refused,
        /// The throughput passes through `Updating`.
        ThroughUpdating,
    }
    /// The error of Create and Update for a model that does not exist.
    missing_model "missingModel" MissingModel {
        /// 404.
        ResourceNotFoundException,
        /// 400.
        ValidationException,
    }
    /// The error for an ARN of another account or region.
    foreign_arn "foreignArn" ForeignArn {
        /// 404.
        ResourceNotFoundException,
        /// 400.
        ValidationException,
        /// 403.
        AccessDeniedException,
    }
    /// Whether a Create with tags needs `bedrock:TagResource`, too, where the caller has an IAM policy.
    tag_on_create "tagOnCreate" TagOnCreate {
        /// It does, on `provisioned-model/*` of the account and region.
        NeedsTagResource,
        /// `bedrock:CreateProvisionedModelThroughput` is enough.
        CreateSuffices,
    }
    /// Whether `lastModifiedTime` changes when an update is done, too.
    last_modified "lastModified" LastModified {
        /// When it begins and when it is done.
        BeginAndEnd,
        /// Only when it begins.
        BeginOnly,
    }
    /// What comes of members of a request that the API does not know.
    unknown_members "unknownMembers" UnknownMembers {
        /// They are passed over.
        Ignored,
        /// Refused with `ValidationException`.
        Refused,
    }
    /// The error for a body that is no JSON, or has members of another type.
    malformed_request "malformedRequest" MalformedRequest {
        /// The error of the protocol.
        SerializationException,
        /// The error of the API.
        ValidationException,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_every_switch_can_be_set() {
        for info in Switches::ALL {
            assert!(info.settings.len() > 1, "{}", info.name);
            for value in info.settings {
                let mut switches = Switches::default();
                switches.set(info.name, value).unwrap();
                let shown = serde_json::to_value(switches).unwrap();
                assert_eq!(shown[info.name], *value);
            }
        }
    }

    #[test]
    fn the_readme_lists_every_switch() {
        let readme = include_str!("../README.md");
        let table = readme.split("| switch | question | settings |\n|---|---|---|\n").nth(1).unwrap();
        let expected: Vec<String> = Switches::ALL
            .iter()
            .map(|SwitchInfo { name, question, settings }| {
                let settings: Vec<String> = settings.iter().map(|setting| format!("`{setting}`")).collect();
                format!("| `{name}` | {} | {} |\n", question.trim(), settings.join(", "))
            })
            .collect();
        assert_eq!(table, expected.concat());
    }

    #[test]
    fn a_wrong_name_or_setting_is_told_with_what_there_is() {
        let mut switches = Switches::default();
        assert!(switches.set("colour", "red").unwrap_err().to_string().contains("busyError"));
        assert!(switches.set("busyError", "red").unwrap_err().to_string().contains("ConflictException"));
    }
}
