//! The small AWS account of the demo; the ARNs are those of `deploy/samples`.

use serde_json::{Value, json};

/// The foundation model that most of the account's custom models are made from.
const LITE: &str = "amazon.nova-lite-v1:0:24k";
const MICRO: &str = "amazon.nova-micro-v1:0:24k";

pub(super) const CLASSIFIER_V1: &str =
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/c1l3a5s7v0t1";
pub(super) const CLASSIFIER_V2: &str =
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/c2l4a6s8v0t2";
const SUMMARIZER_V1: &str =
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/s1u3m5m7v0t1";
const TRANSLATOR_V1: &str =
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-micro-v1:0:24k/t1r3a5n7v0t1";
pub(super) const TRANSLATOR_V2: &str =
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-micro-v1:0:24k/t2r4a6n8v0t2";

pub(super) const ASSISTANT: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/a2s4i6s8t0n1";
pub(super) const SUMMARIZER: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/s1u3m5m7a9r1";
pub(super) const CLASSIFIER: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/c1l3a5s7s9i1";
pub(super) const TRANSLATOR: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/t1r3a5n7s9l1";

/// What is at AWS in the beginning.
pub(super) fn seed() -> Value {
    let throughput = |arn: &str, name: &str, model: &str| json!({"arn": arn, "name": name, "model": model});
    let custom = |arn: &str, name: &str, base: &str| json!({"arn": arn, "name": name, "baseModel": base});
    let base = |id: &str| json!({"modelId": id, "modelName": id, "providerName": "Amazon"});
    json!({
        "foundationModels": [base(LITE), base(MICRO)],
        "customModels": [
            custom(CLASSIFIER_V1, "classifier-v1", LITE),
            custom(CLASSIFIER_V2, "classifier-v2", LITE),
            custom(SUMMARIZER_V1, "summarizer-v1", LITE),
            custom(TRANSLATOR_V1, "translator-v1", MICRO),
            custom(TRANSLATOR_V2, "translator-v2", MICRO),
        ],
        "provisionedModels": [
            throughput(ASSISTANT, "assistant", LITE),
            throughput(SUMMARIZER, "summarizer-2025-draft", SUMMARIZER_V1),
            throughput(CLASSIFIER, "classifier", CLASSIFIER_V1),
            throughput(TRANSLATOR, "translator", TRANSLATOR_V1),
        ],
    })
}
