//! What the operator is measured on: a control plane, the simulator, a fleet of objects, and the operator as a process that is started
//! and ended as often as needed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use jiff::Timestamp;

use super::aws::Aws;
use super::fleet::{self, CROWD, Fleet, SINGLE};
use super::kubernetes::Kubernetes;
use super::parallel::in_parallel;
use super::usage::{self, Memory};
use crate::binaries::Binaries;
use crate::control_plane::{Assets, AuditEvent, ControlPlane, Options};
use crate::http;
use crate::ports::free_port;
use crate::process::Guarded;
use crate::sandbox::{self, OPERATOR_ACCOUNT, OPERATOR_NAMESPACE, Plan};
use crate::simulator::Simulator;
use crate::wait::{Fatal, wait_until};

/// How long a process must not have worked until it counts as done. The pauses of a start are shorter.
const QUIET: Duration = Duration::from_millis(400);

/// How much of an operator's log an error has.
const LOG_LINES: usize = 20;

/// The parts. All of it ends when this is dropped or this process dies.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    // In the order in which they end.
    operator: Option<Operator>,
    pub(super) simulator: Simulator,
    control_plane: ControlPlane,
    binaries: &'a Binaries,
    /// The kubeconfig of the operator's `ServiceAccount`.
    kubeconfig: PathBuf,
    /// The client of the person who makes and edits objects.
    pub(super) admin: Kubernetes,
    pub(super) fleet: Fleet,
    /// Calls at the same time: the operator's `--concurrency`, and the threads of the bare program.
    pub(super) concurrency: usize,
    /// How often each manifest has been changed, so that each change is another.
    edits: usize,
}

/// A running operator.
#[derive(Debug)]
pub(super) struct Operator {
    process: Guarded,
    url: String,
    began: Instant,
}

/// What a start came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Started {
    /// From the start of the process until it had checked all objects.
    pub(super) took: Duration,
    /// Its memory then.
    pub(super) memory: Memory,
    /// Its memory after its metrics were read once.
    pub(super) scraped: Memory,
}

impl<'a> Stage<'a> {
    /// Starts all but the operator, with the throughputs of a fleet at AWS and no objects.
    pub(super) fn start(binaries: &'a Binaries, assets: &Assets, fleet: Fleet, concurrency: usize) -> Result<Self> {
        // Without the controller-manager: its garbage collector would watch the objects, and take part of the machine.
        let options = Options { controller_manager: false, audit: true, folder: None };
        let control_plane = ControlPlane::start_with(assets, &options)?;
        sandbox::install(&control_plane)?;
        let logs = control_plane.logs_dir().to_path_buf();
        let simulator = Simulator::start(&binaries.simulator, &fleet.seed(), &["--updating", "0"], &logs)?;
        let aws = Aws::new(simulator.url());
        // It serves before it has planted its seed.
        wait_until(Duration::from_mins(1), "AWS has the throughputs", || match aws.list()? {
            listed if listed == fleet.objects => Ok(()),
            listed => bail!("it has {listed} of {}", fleet.objects),
        })?;
        let kubeconfig = control_plane.service_account_kubeconfig(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)?;
        let admin = Kubernetes::new(control_plane.kubeconfig(), concurrency + 8)?;
        for namespace in [CROWD, SINGLE] {
            admin.create_namespace(namespace)?;
        }
        Ok(Self { operator: None, simulator, control_plane, binaries, kubeconfig, admin, fleet, concurrency, edits: 0 })
    }

    /// How long all objects may take for anything before it is given up.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_mins(2) + Duration::from_millis(60) * u32::try_from(self.fleet.objects).unwrap_or(u32::MAX)
    }

    /// Makes the objects of the fleet.
    pub(super) fn make_objects(&self) -> Result<()> {
        in_parallel(self.concurrency, self.fleet.objects, |index| {
            self.admin.create(self.fleet.namespace(index), &Fleet::manifest(index)).map(drop)
        })
    }

    /// Asks for a new name in each manifest, and returns the names.
    pub(super) fn edit_all(&mut self) -> Result<Vec<String>> {
        self.edits += 1;
        let names: Vec<String> = (0..self.fleet.objects).map(|index| format!("round-{}-{index}", self.edits)).collect();
        in_parallel(self.concurrency, names.len(), |index| {
            let name = names.get(index).context("an index below the number of objects")?;
            self.admin.edit(self.fleet.namespace(index), &fleet::object(index), &fleet::rename(name))
        })?;
        Ok(names)
    }

    /// The generation of all manifests, as long as none was edited but by [`Stage::edit_all`].
    pub(super) fn generation(&self) -> usize {
        self.edits + 1
    }

    /// A client of its own with the operator's rights.
    pub(super) fn as_operator(&self) -> Result<Kubernetes> {
        Kubernetes::new(&self.kubeconfig, self.concurrency + 8)
    }

    /// Starts the operator with more arguments, and does not wait.
    pub(super) fn start_operator(&mut self, arguments: &[&str]) -> Result<()> {
        if self.operator.is_some() {
            bail!("an operator runs already");
        }
        let concurrency = self.concurrency.to_string();
        let arguments = [&["--concurrency", &concurrency], arguments].concat();
        let seed = serde_json::Value::Null;
        let plan = Plan { binaries: self.binaries, seed: &seed, simulator: &[], operator: &arguments };
        let address = format!("127.0.0.1:{}", free_port()?);
        let began = Instant::now();
        let logs = self.control_plane.logs_dir();
        let process = sandbox::start_operator(&plan, &self.kubeconfig, self.simulator.url(), &address, logs)?;
        self.operator = Some(Operator { process, url: format!("http://{address}"), began });
        Ok(())
    }

    /// Ends the operator, which must end well.
    pub(super) fn stop_operator(&mut self) -> Result<()> {
        let mut operator = self.operator.take().context("no operator runs")?;
        let status = operator.process.stop()?;
        if !status.success() {
            let log = operator.process.log_tail(LOG_LINES);
            bail!("after SIGTERM the operator ended with {status}; the end of its log:\n{log}");
        }
        Ok(())
    }

    /// The running operator.
    pub(super) fn operator(&mut self) -> Result<&mut Operator> {
        self.operator.as_mut().context("no operator runs")
    }

    /// Does something, and returns how long it took from its beginning until all objects have these names, in the order of the objects, and
    /// are ready.
    pub(super) fn until_ready(
        &mut self,
        names: &[String],
        work: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<Duration> {
        let mut wanted: HashMap<String, String> =
            names.iter().enumerate().map(|(index, name)| (fleet::object(index), name.clone())).collect();
        let (client, version, limit) = (self.admin.clone(), self.admin.now()?, self.patience());
        // Not scoped: where the work fails, the error is not kept back until the watch ends.
        let watched = thread::spawn(move || {
            client.watch_until(&version, limit, |object| {
                let name = object.metadata.name.as_ref();
                if wanted.get(name).is_some_and(|wanted| object.is_ready(wanted)) {
                    wanted.remove(name);
                }
                wanted.is_empty()
            })?;
            Ok(Instant::now())
        });
        let begin = Instant::now();
        work(self)?;
        while !watched.is_finished() {
            self.check_running()?;
            thread::sleep(Duration::from_millis(20));
        }
        let end: Result<Instant> = watched.join().map_err(|_| anyhow!("the thread that watches panicked"))?;
        Ok(end.context("waiting until all objects are ready")?.duration_since(begin))
    }

    /// Starts the operator, and waits until it has checked all objects, which are as they should be.
    pub(super) fn start_settled(&mut self, objects: usize, arguments: &[&str]) -> Result<Started> {
        self.start_operator(arguments)?;
        let patience = self.patience();
        wait_until(patience, "the operator is ready", || {
            self.check_running()?;
            self.operator()?.ready()
        })?;
        self.operator()?.until_checked(objects, patience)
    }

    /// The operator's requests to the API server since a time, and the bare program's, which has the same rights.
    pub(super) fn requests_since(&self, since: Timestamp) -> Result<Vec<AuditEvent>> {
        let user = format!("system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR_ACCOUNT}");
        let mut events = self.control_plane.audit_events()?;
        events.retain(|event| {
            event.user == user && event.received.parse::<Timestamp>().is_ok_and(|received| received >= since)
        });
        Ok(events)
    }

    fn check_running(&mut self) -> Result<()> {
        self.control_plane.check_running()?;
        self.simulator.check_running()?;
        self.operator.as_mut().map_or(Ok(()), Operator::check_running)
    }

    /// Ends everything.
    pub(super) fn stop(mut self) -> Result<()> {
        if self.operator.is_some() {
            self.stop_operator()?;
        }
        self.control_plane.stop()
    }
}

impl Operator {
    fn check_running(&mut self) -> Result<()> {
        let Some(status) = self.process.try_wait()? else { return Ok(()) };
        let log = self.process.log_tail(LOG_LINES);
        Err(anyhow!(Fatal(format!("the operator ended ({status}); the end of its log:\n{log}"))))
    }

    fn ready(&self) -> Result<()> {
        let (status, says) = http::get(&format!("{}/readyz", self.url))?;
        if status != 200 {
            bail!("/readyz says: {}", says.trim());
        }
        Ok(())
    }

    /// Waits until it has stopped working.
    pub(super) fn rest(&self, limit: Duration) -> Result<()> {
        usage::until_quiet(self.process.id(), QUIET, limit).map(drop)
    }

    /// Its processor time so far.
    pub(super) fn processor(&self) -> Result<Duration> {
        usage::processor(self.process.id())
    }

    /// Its memory.
    pub(super) fn memory(&self) -> Result<Memory> {
        usage::memory(self.process.id())
    }

    /// Waits until it has made a pass over each of its objects. Its metrics tell that; and because reading them costs it time and memory,
    /// they are read only when it has stopped working, and what counts is when it did.
    fn until_checked(&mut self, objects: usize, limit: Duration) -> Result<Started> {
        let pid = self.process.id();
        let begin = Instant::now();
        loop {
            self.check_running()?;
            let busy = usage::until_quiet(pid, QUIET, limit)?;
            let memory = usage::memory(pid)?;
            let passes = self.passes()?;
            if passes >= objects {
                let took = busy.duration_since(self.began);
                return Ok(Started { took, memory, scraped: usage::memory(pid)? });
            }
            if begin.elapsed() > limit {
                bail!("the operator has made {passes} passes over {objects} objects in {} s", limit.as_secs());
            }
        }
    }

    /// The passes over objects that it has made.
    fn passes(&self) -> Result<usize> {
        let url = format!("{}/metrics", self.url);
        let mut answer = http::agent().get(&url).call().with_context(|| format!("asking {url}"))?;
        let text = answer.body_mut().with_config().limit(1 << 30).read_to_string()?;
        Ok(sum(&text, "bedrock_throughput_reconciles_total"))
    }
}

/// The sum of a counter over all its labels, in the OpenMetrics text format.
fn sum(metrics: &str, name: &str) -> usize {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        if !rest.starts_with(['{', ' ']) {
            return None;
        }
        rest.rsplit_once(' ')?.1.parse::<usize>().ok()
    });
    values.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_summed_over_its_labels() {
        let text =
            "# HELP a_total x\na_total{reason=\"A\"} 2\na_total{reason=\"B C\"} 3\na_total_more{reason=\"A\"} 5\n";
        assert_eq!(sum(text, "a_total"), 5);
        assert_eq!(sum(text, "b_total"), 0);
    }
}
