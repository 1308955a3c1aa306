//! The finalizer of objects whose throughput is to be deleted with them, and the end of an object that waited for that.

use kube::{Resource as _, runtime::controller::Action};

use super::{Pass, telling::publish};
use crate::{
    conditions::{Reason, truncated},
    crd::{FINALIZER, ProvisionedThroughput},
    outcome::{Notice, Severity, Verdict},
    plan::RETAINED,
    report::{Live, ReportError},
};

/// The longest text of the API server that is passed on, in bytes.
const DETAIL_MAX: usize = 512;

pub(super) fn has_finalizer(live: &Live) -> bool {
    live.finalizers.iter().any(|finalizer| finalizer == FINALIZER)
}

impl Pass<'_> {
    /// Sees to it that an object has the finalizer where its throughput is to be deleted with it, and only there. Returns the result of the
    /// pass where nothing is left to do.
    pub(super) async fn keep_finalizer(
        &mut self,
        object: &ProvisionedThroughput,
    ) -> Result<Option<(Reason, Action)>, ReportError> {
        let has = has_finalizer(&self.live);
        let deletes = object.spec.management_policy.deletes(object.spec.deletion_policy);
        let is_going = object.meta().deletion_timestamp.is_some();
        if deletes && !has && !is_going {
            let mut finalizers = self.live.finalizers.clone();
            finalizers.push(FINALIZER.to_owned());
            return self.set_finalizers(finalizers).await;
        }
        if !deletes && has {
            if is_going {
                return self.let_go(RETAINED.to_owned(), false).await.map(Some);
            }
            return self.set_finalizers(self.other_finalizers()).await;
        }
        Ok(None)
    }

    fn other_finalizers(&self) -> Vec<String> {
        self.live.finalizers.iter().filter(|finalizer| *finalizer != FINALIZER).cloned().collect()
    }

    async fn set_finalizers(&mut self, finalizers: Vec<String>) -> Result<Option<(Reason, Action)>, ReportError> {
        let only_at = self.live.resource_version.clone();
        match self.context.reporter.set_finalizers(self.subject, &finalizers, &only_at).await {
            Ok(live) => {
                self.memory.written = Some(Box::new((live.clone(), self.prior.clone())));
                self.live = live;
                Ok(None)
            }
            Err(ReportError::Conflict) => Ok(Some(self.again_soon())),
            Err(error @ (ReportError::Gone | ReportError::Timeout)) => Err(error),
            Err(ReportError::Kube(error)) => {
                let said = truncated(error.to_string(), DETAIL_MAX);
                self.tell(None, Verdict::FinalizerFailed(&said), None).await.map(Some)
            }
        }
    }

    /// Lets an object go whose deletion waited for this.
    pub(super) async fn let_go(&mut self, message: String, is_deleted: bool) -> Result<(Reason, Action), ReportError> {
        let reason = if is_deleted { "Deleted" } else { "Released" };
        let arn = self.prior.provisioned_model_arn.as_deref();
        tracing::info!(arn, reason, message, "the object is let go");
        let notice = Notice { severity: Severity::Normal, reason, note: message, ends: None };
        // Before the object is gone, and once, however often the write is tried.
        if !std::mem::replace(&mut self.memory.told_of_the_end, true) {
            publish(self.context, self.subject, vec![notice]).await;
        }
        match self.set_finalizers(self.other_finalizers()).await {
            Ok(Some(again)) => Ok(again),
            Ok(None) | Err(ReportError::Gone) => Ok((Reason::Deleting, Action::await_change())),
            Err(error) => Err(error),
        }
    }
}
