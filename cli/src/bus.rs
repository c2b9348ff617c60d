//! A deployment's event bus, and a queue of our own behind it for a while.
//!
//! Queue and rule have one name, which says when they were made: `tilaussilta-listen-20261127T043642Z-1a2b3c4d`. Nothing
//! else tells whose they are, so that no permission to tag or to read tags is needed. Whoever listens ends within
//! [`LONGEST`]; what is older than [`ABANDONED_AFTER`] was left by a process that was killed.

use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::Target;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, QueueAttributeName};
use jiff::fmt::strtime;
use jiff::{SignedDuration, Timestamp};
use ledger::sdk_reason;
use serde_json::json;

use crate::Problem;

/// How the name of everything here begins.
const PREFIX: &str = "tilaussilta-listen-";
/// The longest time to listen.
pub(crate) const LONGEST: SignedDuration = SignedDuration::from_hours(12);
/// After this, a queue or rule belongs to nobody any more.
const ABANDONED_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// How long the queue keeps an event, in seconds: longer than a short loss of the network, and no longer, because events
/// hold personal data.
const RETENTION_SECONDS: u32 = 900;
/// The most messages that one call takes, and the longest that it waits, in seconds (SQS API reference, `ReceiveMessage`).
const MESSAGES_A_CALL: i32 = 10;
const WAIT_SECONDS: i32 = 20;
/// The target's id within the rule.
const TARGET: &str = "listen";
const TIME_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// An event bus.
pub(crate) struct Bus {
    name: String,
    events: aws_sdk_eventbridge::Client,
    sqs: aws_sdk_sqs::Client,
}

/// A queue that gets the events of a bus.
pub(crate) struct Subscription {
    queue_url: String,
}

impl Bus {
    pub(crate) fn new(config: &SdkConfig, name: &str) -> Self {
        let (events, sqs) = (aws_sdk_eventbridge::Client::new(config), aws_sdk_sqs::Client::new(config));
        Self { name: name.to_owned(), events, sqs }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Makes a queue and the rule that brings it every event from now on. What was made before something failed is still
    /// there: [`Self::remove`] removes it.
    pub(crate) async fn subscribe(&self, name: &str) -> Result<Subscription, Problem> {
        let failed = |what: &str, why: String| Problem(format!("{what}: {why}"));
        let described = self.events.describe_event_bus().name(&self.name).send().await;
        let described = described.map_err(|error| failed("the bus cannot be found", sdk_reason(&error)))?;
        let arns = Arns::of(described.arn().unwrap_or_default(), name)
            .ok_or_else(|| Problem("the bus has no ARN that is understood".to_owned()))?;

        let attributes = [
            (QueueAttributeName::Policy, arns.policy()),
            (QueueAttributeName::MessageRetentionPeriod, RETENTION_SECONDS.to_string()),
            (QueueAttributeName::SqsManagedSseEnabled, "true".to_owned()),
        ];
        let create = self.sqs.create_queue().queue_name(name).set_attributes(Some(attributes.into()));
        let created = create.send().await;
        let created = created.map_err(|error| failed("a queue cannot be made", sdk_reason(&error)))?;
        let queue_url = created.queue_url.ok_or_else(|| Problem("the queue that was made has no URL".to_owned()))?;

        let pattern = json!({ "source": [{ "prefix": "tilaussilta." }] }).to_string();
        let rule = self.events.put_rule().event_bus_name(&self.name).name(name).event_pattern(pattern);
        rule.send().await.map_err(|error| failed("a rule cannot be made", sdk_reason(&error)))?;
        let target = Target::builder().id(TARGET).arn(arns.queue).build()?;
        let put = self.events.put_targets().event_bus_name(&self.name).rule(name).targets(target).send().await;
        let put = put.map_err(|error| failed("the rule gets no target", sdk_reason(&error)))?;
        match put.failed_entries().first() {
            None => Ok(Subscription { queue_url }),
            Some(entry) => Err(failed("the rule gets no target", entry.error_code().unwrap_or("refused").to_owned())),
        }
    }

    /// Waits for events; gives none when none came for a while.
    pub(crate) async fn receive(&self, from: &Subscription) -> Result<Vec<Message>, ReceiveError> {
        let ask = self.sqs.receive_message().queue_url(&from.queue_url);
        let answer = ask.max_number_of_messages(MESSAGES_A_CALL).wait_time_seconds(WAIT_SECONDS).send().await;
        answer.map(|answer| answer.messages.unwrap_or_default()).map_err(|error| {
            let is_gone = error.as_service_error().is_some_and(|error| error.is_queue_does_not_exist());
            ReceiveError { is_gone, why: sdk_reason(&error) }
        })
    }

    /// Takes messages out of the queue. One that stays comes again, which does no harm.
    pub(crate) async fn done_with(&self, from: &Subscription, messages: &[Message]) {
        let receipts = messages.iter().filter_map(Message::receipt_handle).enumerate();
        let entries = receipts.filter_map(|(index, receipt)| {
            DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(receipt).build().ok()
        });
        let delete = self.sqs.delete_message_batch().queue_url(&from.queue_url);
        let _ = delete.set_entries(Some(entries.collect())).send().await;
    }

    /// Removes the rule and the queue of a name, as far as they are there. Each is tried, whatever becomes of the others.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), Problem> {
        let mut failed = Vec::new();
        let remove = self.events.remove_targets().event_bus_name(&self.name).rule(name).ids(TARGET);
        if let Err(error) = remove.send().await
            && !error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception())
        {
            failed.push(format!("its rule's target: {}", sdk_reason(&error)));
        }
        if let Err(error) = self.events.delete_rule().event_bus_name(&self.name).name(name).send().await
            && !error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception())
        {
            failed.push(format!("its rule: {}", sdk_reason(&error)));
        }
        failed.extend(self.remove_queue(name).await.err());
        match failed.is_empty() {
            true => Ok(()),
            false => Err(Problem(format!(
                "{name} was not removed ({}): listen again after a day, or remove the queue and the rule of this name",
                failed.join("; ")
            ))),
        }
    }

    async fn remove_queue(&self, name: &str) -> Result<(), String> {
        let listed = self.sqs.list_queues().queue_name_prefix(name).send().await;
        let listed = listed.map_err(|error| format!("its queue: {}", sdk_reason(&error)))?;
        for url in listed.queue_urls() {
            if let Err(error) = self.sqs.delete_queue().queue_url(url).send().await
                && !error.as_service_error().is_some_and(|error| error.is_queue_does_not_exist())
            {
                return Err(format!("its queue: {}", sdk_reason(&error)));
            }
        }
        Ok(())
    }

    /// The names of rules on this bus and of queues that a killed process left.
    pub(crate) async fn abandoned(&self, now: Timestamp) -> Result<Vec<String>, Problem> {
        let failed = |what: &str, why: String| Problem(format!("{what} cannot be listed: {why}"));
        let rules = self.events.list_rules().event_bus_name(&self.name).name_prefix(PREFIX).send().await;
        let rules = rules.map_err(|error| failed("the rules of the bus", sdk_reason(&error)))?;
        let queues = self.sqs.list_queues().queue_name_prefix(PREFIX).send().await;
        let queues = queues.map_err(|error| failed("the queues", sdk_reason(&error)))?;
        let of_rules = rules.rules().iter().filter_map(|rule| rule.name());
        let of_queues = queues.queue_urls().iter().filter_map(|url| url.rsplit('/').next());
        let mut names: Vec<String> =
            of_rules.chain(of_queues).filter(|name| is_abandoned(name, now)).map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

/// Why nothing was received.
pub(crate) struct ReceiveError {
    /// Whether the queue is gone, and will not come back.
    pub(crate) is_gone: bool,
    pub(crate) why: String,
}

/// A name that says when it was made.
pub(crate) fn new_name(now: Timestamp) -> String {
    format!("{PREFIX}{}-{:08x}", now.strftime(TIME_FORMAT), fastrand::u32(..))
}

/// Whether whoever made this name must have ended by now. A name of another form is somebody else's.
fn is_abandoned(name: &str, now: Timestamp) -> bool {
    let made = name.strip_prefix(PREFIX).and_then(|rest| rest.rsplit_once('-')).and_then(|(time, _)| {
        let time = strtime::parse(TIME_FORMAT, time).ok()?;
        time.to_datetime().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()
    });
    made.is_some_and(|made| now.duration_since(made.timestamp()) > ABANDONED_AFTER)
}

/// The ARNs of a queue and of a rule, known before they are there.
struct Arns {
    queue: String,
    rule: String,
}

impl Arns {
    /// From the ARN of the bus: `arn:aws:events:REGION:ACCOUNT:event-bus/NAME`.
    fn of(bus: &str, name: &str) -> Option<Self> {
        let mut parts = bus.splitn(6, ':');
        let (_, partition, _, region, account) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let bus = parts.next()?.strip_prefix("event-bus/")?;
        Some(Self {
            queue: format!("arn:{partition}:sqs:{region}:{account}:{name}"),
            rule: format!("arn:{partition}:events:{region}:{account}:rule/{bus}/{name}"),
        })
    }

    /// Lets the rule, and nothing else, send to the queue.
    fn policy(&self) -> String {
        json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": "events.amazonaws.com" },
                "Action": "sqs:SendMessage",
                "Resource": self.queue,
                "Condition": { "ArnEquals": { "aws:SourceArn": self.rule } },
            }],
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_tells_when_it_was_made() {
        let made = at("2026-11-27T04:36:42Z");
        let name = new_name(made);
        assert!(name.starts_with("tilaussilta-listen-20261127T043642Z-") && name.len() <= 64, "{name}");
        assert!(!is_abandoned(&name, made + LONGEST + LONGEST));
        assert!(is_abandoned(&name, made + SignedDuration::from_hours(25)));
        assert!(!is_abandoned(&name, made - SignedDuration::from_hours(25)), "of a clock that is ahead");
    }

    #[test]
    fn what_others_named_is_never_abandoned() {
        let now = at("2030-01-01T00:00:00Z");
        for name in
            ["tilaussilta-actions", "tilaussilta-listen-", "tilaussilta-listen-mine", "listen-20200101T000000Z-1"]
        {
            assert!(!is_abandoned(name, now), "{name}");
        }
    }

    #[test]
    fn the_arns_follow_from_that_of_the_bus() {
        let arns = Arns::of("arn:aws-cn:events:cn-north-1:123456789012:event-bus/shop", "x").unwrap();
        assert_eq!(arns.queue, "arn:aws-cn:sqs:cn-north-1:123456789012:x");
        assert_eq!(arns.rule, "arn:aws-cn:events:cn-north-1:123456789012:rule/shop/x");
        assert!(Arns::of("", "x").is_none());
    }
}
