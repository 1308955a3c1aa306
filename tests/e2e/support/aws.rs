//! AWS: the simulator in this process, with a small account.

use std::time::Duration;

use bedrock_simulator::{
    Call, Caller, Fault, FaultKind, ProvisionedModel, Seed, Server, Switches,
    request::{
        DeleteProvisionedModelThroughput, ModelStatus, ProvisionedModelStatus, UpdateProvisionedModelThroughput,
    },
    seed::{CustomModelSeed, ProvisionedModelSeed},
    settings::Seconds,
    switches::{FailedUpdateStatus, UpdateWhileFailed},
    world::FoundationModel,
};
use serde_json::Value;

pub use bedrock_simulator::Operation;

/// The account and region of everything here.
pub const ACCOUNT: &str = "123456789012";
pub const REGION: &str = "us-east-1";

/// A throughput that serves the custom model `SUMMARIZER_V1`, and its name.
pub const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl";
pub const NAME: &str = "summarizer";
/// A throughput that serves the base model `NOVA`.
pub const BASE_ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/basebasebase";

/// A base model, by ARN and id.
pub const NOVA: &str = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:24k";
pub const NOVA_ID: &str = "amazon.nova-lite-v1:0:24k";
/// Another base model.
pub const TITAN: &str = "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-text-express-v1:0:8k";
pub const TITAN_ID: &str = "amazon.titan-text-express-v1:0:8k";

/// Custom models of `NOVA`, by ARN and name.
pub const SUMMARIZER_V1: &str =
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/summarizer01";
pub const SUMMARIZER_V1_NAME: &str = "summarizer-v1";
pub const SUMMARIZER_V2: &str =
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/summarizer02";
pub const SUMMARIZER_V2_NAME: &str = "summarizer-v2";
/// A custom model made from `SUMMARIZER_V1`.
pub const GRANDCHILD: &str =
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/grandchild01";
/// A custom model of `NOVA` that failed to be made.
pub const MODEL_FAILED: &str =
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/failedfailed";
pub const MODEL_FAILED_NAME: &str = "summarizer-failed";
/// A custom model of `NOVA` that is still being made.
pub const MODEL_BEING_MADE: &str =
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/beingmadenow";
/// A custom model of `TITAN`.
pub const CHAT: &str =
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.titan-text-express-v1:0:8k/chatchatchat";
pub const CHAT_NAME: &str = "chat-v1";

const LIST: Operation = Operation::ListProvisionedModelThroughputs;
const UPDATE: Operation = Operation::UpdateProvisionedModelThroughput;

/// Long enough to be seen as `Creating`, in seconds.
const CREATING_SECONDS: f64 = 1.5;
/// Long enough to be seen as `Updating`, in seconds.
const UPDATING_SECONDS: f64 = 1.5;
/// Shorter than the operator's `--read-lag` in these tests, in seconds.
const READ_LAG_SECONDS: f64 = 0.5;

/// A simulator with the account above. It ends when this is dropped.
pub struct Aws(Server);

impl Aws {
    /// Starts one.
    pub fn start() -> Self {
        let server = Server::start().expect("starting the simulator");
        let custom_model = |arn: &str, name: &str, base: &str, status| CustomModelSeed {
            arn: Some(arn.to_owned()),
            status,
            ..CustomModelSeed::new(name, base)
        };
        let seed = Seed {
            foundation_models: [NOVA_ID, TITAN_ID].map(FoundationModel::text).into(),
            custom_models: vec![
                custom_model(SUMMARIZER_V1, SUMMARIZER_V1_NAME, NOVA_ID, ModelStatus::Active),
                custom_model(SUMMARIZER_V2, SUMMARIZER_V2_NAME, NOVA_ID, ModelStatus::Active),
                custom_model(GRANDCHILD, "grandchild", SUMMARIZER_V1_NAME, ModelStatus::Active),
                custom_model(MODEL_FAILED, MODEL_FAILED_NAME, NOVA_ID, ModelStatus::Failed),
                custom_model(MODEL_BEING_MADE, "summarizer-next", NOVA_ID, ModelStatus::Creating),
                custom_model(CHAT, CHAT_NAME, TITAN_ID, ModelStatus::Active),
            ],
            provisioned_models: vec![
                ProvisionedModelSeed::new(NAME, SUMMARIZER_V1_NAME).arn(ARN),
                ProvisionedModelSeed::new("base", NOVA_ID).arn(BASE_ARN),
            ],
            ..Seed::default()
        };
        server.seed(&seed).expect("the account is put there");
        let seconds = |seconds| Seconds::try_from(seconds).expect("a number of seconds");
        server.set(|settings| {
            settings.creating_seconds = seconds(CREATING_SECONDS);
            settings.updating_seconds = seconds(UPDATING_SECONDS);
            settings.read_lag_seconds = seconds(READ_LAG_SECONDS);
        });
        Self(server)
    }

    /// The simulator itself.
    pub fn server(&self) -> &Server {
        &self.0
    }

    /// The value for `AWS_ENDPOINT_URL_BEDROCK`.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// Every call so far, in the order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.0.calls()
    }

    /// Every call so far, one line each.
    pub fn call_lines(&self) -> Vec<String> {
        let line = |call: &Call| {
            let Call { sequence, time, parameters, status, error, carried_out, .. } = call;
            let operation = call.operation.map_or("(no operation)", Operation::as_str);
            let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            let error = error.as_deref().unwrap_or_default();
            let carried_out = if *carried_out { "carried out" } else { "not carried out" };
            format!("{sequence} {time} {operation} {parameters} {status} {error} {carried_out}")
        };
        self.calls().iter().map(line).collect()
    }

    /// How many calls of an operation have arrived.
    pub fn calls_of(&self, operation: Operation) -> usize {
        self.0.calls_of(operation).len()
    }

    /// How many Lists have arrived.
    pub fn looks(&self) -> usize {
        self.calls_of(LIST)
    }

    /// The calls so far that were to change something, one line each.
    pub fn changing_calls(&self) -> Vec<String> {
        let changes = |call: &Call| call.operation.is_some_and(Operation::mutates);
        self.calls().iter().zip(self.call_lines()).filter(|(call, _)| changes(call)).map(|(_, line)| line).collect()
    }

    /// The Updates that were carried out, without the throughput that they are about.
    pub fn update_requests(&self) -> Vec<Value> {
        let members = |mut call: Call| {
            if let Some(members) = call.parameters.as_object_mut() {
                members.remove("provisionedModelId");
            }
            call.parameters
        };
        self.carried_out().into_iter().map(members).collect()
    }

    /// AWS's ids of the Updates that were carried out.
    pub fn update_request_ids(&self) -> Vec<String> {
        self.carried_out().into_iter().map(|call| call.request_id).collect()
    }

    /// How many Updates have arrived.
    pub fn update_calls(&self) -> usize {
        self.calls_of(UPDATE)
    }

    /// How many Updates were carried out.
    pub fn updates_carried_out(&self) -> usize {
        self.carried_out().len()
    }

    /// How many Updates were answered with an error.
    pub fn refused_updates(&self) -> usize {
        self.0.calls_of(UPDATE).iter().filter(|call| call.error.is_some()).count()
    }

    fn carried_out(&self) -> Vec<Call> {
        self.0.calls_of(UPDATE).into_iter().filter(|call| call.carried_out).collect()
    }

    /// A throughput as it is.
    pub fn throughput(&self, arn: &str) -> ProvisionedModel {
        self.0.with_world(|world, _| world.throughput(arn).cloned()).unwrap_or_else(|| panic!("AWS has no {arn}"))
    }

    /// Puts a throughput there.
    pub fn add_throughput(&self, arn: &str, name: &str, model: &str) {
        self.plant(ProvisionedModelSeed::new(name, model).arn(arn));
    }

    /// Puts a throughput there that is `Creating` until it is finished.
    pub fn add_throughput_being_made(&self, arn: &str, name: &str) {
        let seed = ProvisionedModelSeed::new(name, SUMMARIZER_V1_NAME).arn(arn);
        self.plant(seed.status(ProvisionedModelStatus::Creating));
    }

    fn plant(&self, throughput: ProvisionedModelSeed) {
        let seed = Seed { provisioned_models: vec![throughput], ..Seed::default() };
        self.0.seed(&seed).expect("the throughput is put there");
    }

    /// Finishes a throughput that is being made.
    pub fn finish_throughput(&self, arn: &str) {
        self.0.with_world(|world, now| {
            let mut throughput = world.remove_throughput(arn).expect("the throughput is there");
            throughput.finish(now);
            world.put_throughput(&caller(), throughput);
        });
    }

    /// Finishes a custom model that is being made.
    pub fn finish_custom_model(&self, arn: &str) {
        self.0.with_world(|world, _| {
            let mut model = world.remove_custom_model(arn).expect("the custom model is there");
            model.status = ModelStatus::Active;
            world.put_custom_model(&caller(), model);
        });
    }

    /// Renames a throughput past the operator.
    pub fn rename_as_somebody_else(&self, arn: &str, name: &str) {
        let request = UpdateProvisionedModelThroughput {
            provisioned_model_id: arn.to_owned(),
            desired_provisioned_model_name: Some(name.to_owned()),
            desired_model_id: None,
        };
        self.0.call(&caller(), request).expect("AWS renames it");
    }

    /// Deletes a throughput past the operator.
    pub fn delete_as_somebody_else(&self, arn: &str) {
        let request = DeleteProvisionedModelThroughput { provisioned_model_id: arn.to_owned() };
        self.0.call(&caller(), request).expect("AWS deletes it");
    }

    /// Lets the next update of a throughput fail at its end.
    pub fn fail_the_next_update(&self, arn: &str, message: &str) {
        self.0.with_world(|world, _| world.fail_next_update(&caller(), arn, message));
    }

    /// Turns a switch: what AWS leaves unsaid.
    pub fn switch(&self, name: &str, setting: &str) {
        self.0.switch(name, setting).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Lets Get and List show what was written only this much later.
    pub fn lag(&self, by: Duration) {
        self.switch("readLag", "Both");
        let seconds = Seconds::try_from(by.as_secs_f64()).expect("a number of seconds");
        self.0.set(|settings| settings.read_lag_seconds = seconds);
    }

    /// Every setting of every switch that is not the default, by the names of the switch and the setting; the default of all is the
    /// first.
    pub fn every_setting() -> Vec<(String, String)> {
        let named = |name: &str, setting: &str| (name.to_owned(), setting.to_owned());
        let defaults = Switches::ALL.iter().take(1).map(|switch| named(switch.name, switch.settings[0]));
        let others = |switch: &bedrock_simulator::switches::SwitchInfo| {
            let (name, settings) = (switch.name, switch.settings);
            settings.iter().skip(1).map(move |setting| named(name, setting))
        };
        defaults.chain(Switches::ALL.iter().flat_map(others)).collect()
    }

    /// Whether an Update is let through after an update has failed, as the switches are.
    pub fn lets_a_failed_throughput_be_updated(&self) -> bool {
        let switches = self.0.switches();
        switches.update_while_failed == UpdateWhileFailed::Allowed
            || switches.failed_update_status != FailedUpdateStatus::Failed
    }

    /// Lets every call of an operation meet a fault until [`Aws::end_faults`].
    pub fn fault(&self, operation: Operation, kind: FaultKind) {
        self.0.inject(Fault::on(operation, kind));
    }

    /// Answers every call of an operation with an error until [`Aws::end_faults`].
    pub fn refuse(&self, operation: Operation, code: &str) {
        self.fault(operation, FaultKind::code(code));
    }

    /// Answers every call of an operation later. It is carried out when it arrives.
    pub fn delay(&self, operation: Operation, by: Duration) {
        let seconds = Seconds::try_from(by.as_secs_f64()).expect("a number of seconds");
        self.fault(operation, FaultKind::Latency { seconds });
    }

    /// Ends the faults of an operation.
    pub fn end_faults(&self, operation: Operation) {
        self.0.clear_faults(Some(operation));
    }
}

fn caller() -> Caller {
    Caller::new(ACCOUNT, REGION)
}
