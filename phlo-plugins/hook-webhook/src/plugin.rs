//! The hook: events into the outbox, each as the JSON that `phlo logs --json` shows.

use std::sync::Arc;

use phlo_delivery::{Endpoint, Key, Message, Outbox};
use phlo_plugin::prelude::*;
use phlo_spec::event::LogLevel;
use phlo_spec::{Payload, Redactor, RunStatus};

use crate::settings::{Receiver, Settings};

/// The plugin, its folder of waiting events, and the producer of its own warnings.
const NAME: &str = "webhook";

/// Before the handlers of endpoints, so that what waited goes first.
const FIRST: i32 = HookRegistration::DEFAULT_PRIORITY - 1;

/// The hook `webhook`.
pub struct WebhookHook {
    receivers: Vec<Receiver>,
    outbox: Arc<Outbox>,
}

impl Plugin for WebhookHook {
    type Settings = Settings;

    fn create(settings: Settings, context: &InitContext) -> Result<Self> {
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for (at, receiver) in settings.endpoints.iter().enumerate() {
            let within = |err: Error| err.during(format!("reading `endpoints`, number {}", at + 1));
            endpoints.push(endpoint(receiver, &context.redactor).map_err(within)?);
            // Files whose names differ in case alone are one on some systems.
            if settings.endpoints[..at].iter().any(|other| other.name.eq_ignore_ascii_case(&receiver.name)) {
                let message = format!("two `endpoints` have the `name` `{}`", receiver.name);
                return Err(
                    Error::new(Code::InvalidValue, message).hint("what waits for an endpoint lies under its name")
                );
            }
        }
        let outbox = Arc::new(Outbox::new(NAME, endpoints, settings.limits(), context));
        Ok(Self { receivers: settings.endpoints, outbox })
    }

    fn cleanup(&self) -> Result<()> {
        self.outbox.close()
    }
}

fn endpoint(receiver: &Receiver, redactor: &Redactor) -> Result<Endpoint> {
    if receiver.events.is_empty() {
        let message = format!("`events` of `{}` is empty, so that it is told of nothing", receiver.name);
        return Err(
            Error::new(Code::InvalidValue, message).hint("leave `events` out for the events that end something")
        );
    }
    let key = receiver.secret.as_ref().map(|secret| Key::new(secret, redactor)).transpose()?;
    let endpoint = Endpoint::new(&receiver.name, &receiver.url, redactor)?.headers(&receiver.headers, redactor)?;
    Ok(endpoint.signed(key).tries(receiver.timeout.0, receiver.retry))
}

impl Hook for WebhookHook {
    fn hooks(&self) -> Result<Vec<HookRegistration>> {
        if self.receivers.is_empty() {
            return Ok(Vec::new());
        }
        let outbox = self.outbox.clone();
        let begin = HookRegistration::new("(begin)", HookFilter::events([EventKind::RunStart]), move |event| {
            outbox.begin(event.correlation.run_id.as_deref())
        });
        let mut hooks = vec![begin.priority(FIRST)];
        for (at, receiver) in self.receivers.iter().enumerate() {
            let filter = HookFilter {
                events: receiver.events.clone(),
                assets: receiver.assets.clone(),
                tags: receiver.tags.clone(),
            };
            let (outbox, only_failures) = (self.outbox.clone(), receiver.only_failures);
            hooks.push(HookRegistration::new(receiver.name.clone(), filter, move |event| {
                // A warning about the delivery must not be delivered, which might warn again.
                if event.producer == NAME || only_failures && went_well(event) {
                    return Ok(());
                }
                let body = serde_json::to_string(event)
                    .map_err(|err| Error::internal("an event cannot be written as JSON").because(err))?;
                outbox.push(at, Message::new(&event.id, body), event.correlation.run_id.as_deref())
            }));
        }
        Ok(hooks)
    }
}

/// Whether an event says that something went well. One that says nothing of the sort does not.
fn went_well(event: &Event) -> bool {
    match &event.payload {
        Payload::QualityResult(result) => result.passed(),
        Payload::IngestionEnd(run) | Payload::TransformEnd(run) | Payload::PublishEnd(run) => {
            run.status.is_ok() && run.checks.iter().all(|check| check.passed())
        }
        Payload::RunEnd(run) => run.status == RunStatus::Success,
        Payload::ServicePostStart(service) | Payload::ServicePostStop(service) => service.error.is_none(),
        Payload::TelemetryLog(line) => line.level < LogLevel::Warn,
        Payload::ServicePreStart(_)
        | Payload::ServicePreStop(_)
        | Payload::IngestionStart(_)
        | Payload::TransformStart(_)
        | Payload::PublishStart(_)
        | Payload::LineageEdges(_)
        | Payload::TelemetryMetric(_)
        | Payload::RunStart(_) => false,
    }
}
