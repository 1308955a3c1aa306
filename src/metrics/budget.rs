//! What is shown of the budget of calls: read when it is asked for.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::gauge::ConstGauge,
};

use super::descriptors::{CALL_RATE, CALLS_WAITING, Kind};
use crate::turns::Turns;

/// The budget, once there is one.
#[derive(Debug, Default)]
pub(super) struct Budget(OnceLock<Arc<Turns>>);

impl Budget {
    /// Shows this budget from now on; the first one counts.
    pub(super) fn show(&self, turns: Arc<Turns>) {
        let _ = self.0.set(turns);
    }
}

impl Collector for Budget {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let levels = self.0.get().map(|turns| turns.levels()).unwrap_or_default();
        let help = format!("{}.", CALL_RATE.help);
        let mut rates = encoder.encode_descriptor(CALL_RATE.name, &help, None, Kind::Gauge.metric_type())?;
        for level in &levels {
            let labels = [("region", level.region.as_str()), ("kind", level.kind.as_str())];
            ConstGauge::new(level.rate.unwrap_or(f64::INFINITY)).encode(rates.encode_family(&labels)?)?;
        }
        let help = format!("{}.", CALLS_WAITING.help);
        let mut waiting = encoder.encode_descriptor(CALLS_WAITING.name, &help, None, Kind::Gauge.metric_type())?;
        for level in &levels {
            let labels = [("region", level.region.as_str()), ("kind", level.kind.as_str())];
            let objects = i64::try_from(level.waiting).unwrap_or(i64::MAX);
            ConstGauge::new(objects).encode(waiting.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
