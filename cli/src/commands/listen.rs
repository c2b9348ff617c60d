//! `tilaussilta listen`: events as they are published, through a queue of our own.

use std::io::{self, Write};
use std::time::Duration;

use forward::{Forwarder, HttpPost};
use jiff::Timestamp;
use url::Url;

use crate::Problem;
use crate::bus::{Bus, LONGEST, Subscription, new_name};
use crate::deployment::Target;
use crate::output::local;

/// The pause after SQS did not answer.
const PAUSE: Duration = Duration::from_secs(2);
/// How long removing may take.
const REMOVAL: Duration = Duration::from_secs(30);

/// `tilaussilta listen`.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  tilaussilta listen --forward http://127.0.0.1:3000/events --stack tilaussilta\n  \
                        tilaussilta listen --json --stack tilaussilta > events.jsonl\n\n\
                        It makes a queue and a rule on the bus, and removes both at its end (Ctrl-C, or after 12 hours).\n\
                        What a killed run left, the next one removes after a day. Leaves a line in the audit log."
)]
pub(crate) struct Options {
    /// Post each event to this address, as a rule's target gets it.
    #[arg(long, value_name = "URL")]
    forward: Option<Url>,
    /// Print the whole event as a line of JSON. It holds personal data.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    // From here on, a signal does not end the process before everything is removed.
    let stopped = stop_signal()?;
    let forwarder = options.forward.map(HttpPost::new).transpose()?.map(|post| {
        let json = options.json;
        Forwarder::new(post, move |attempt| {
            let line = format!("{}  {attempt}", local(Timestamp::now()));
            // Beside lines of JSON, these go to whoever watches. That nobody reads them is no reason to end.
            let _ = if json { writeln!(io::stderr(), "{line}") } else { writeln!(io::stdout(), "{line}") };
        })
    });
    let deployment = target.find().await?;
    let bus = deployment.bus()?;
    deployment.listener()?.audit("listen", &format!("bus {}", bus.name())).await?;
    remove_abandoned(&bus).await;

    let name = new_name(Timestamp::now());
    let listened = match bus.subscribe(&name).await {
        Ok(subscription) => {
            eprintln!("listening to the bus {} through {name}; Ctrl-C ends it", bus.name());
            let print = |event: &str| print(event, options.json);
            tokio::select! {
                ended = listen(&bus, &subscription, forwarder.as_ref(), print) => ended,
                () = stopped => Ok(()),
                () = tokio::time::sleep(LONGEST.unsigned_abs()) => Err(Problem("12 hours are over: listen again".to_owned())),
            }
        }
        Err(problem) => Err(problem),
    };
    let removed = tokio::time::timeout(REMOVAL, bus.remove(&name)).await;
    let removed =
        removed.unwrap_or_else(|_| Err(Problem(format!("{name} was not removed in time: listen again after a day"))));
    if let Some(waiting) = forwarder.map(|forwarder| forwarder.pending()).filter(|waiting| *waiting > 0) {
        eprintln!("{waiting} events were not accepted yet, and are not posted any more");
    }
    match (listened, removed) {
        (Err(problem), Err(left)) => Err(Problem(format!("{}; {}", problem.0, left.0))),
        (listened, removed) => listened.and(removed),
    }
}

/// Prints and forwards events until nobody reads what is printed.
async fn listen(
    bus: &Bus,
    subscription: &Subscription,
    forwarder: Option<&Forwarder>,
    print: impl Fn(&str) -> io::Result<()>,
) -> Result<(), Problem> {
    loop {
        let messages = match bus.receive(subscription).await {
            Ok(messages) => messages,
            Err(error) if error.is_gone => return Err(Problem("somebody removed the queue".to_owned())),
            Err(error) => {
                eprintln!("nothing can be received for now: {}", error.why);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        for event in messages.iter().filter_map(|message| message.body()) {
            match print(event) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                printed => printed?,
            }
            if let Some(forwarder) = forwarder {
                forwarder.send(event.to_owned());
            }
        }
        if !messages.is_empty() {
            bus.done_with(subscription, &messages).await;
        }
    }
}

fn print(event: &str, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        return writeln!(out, "{event}");
    }
    let (detail_type, id) = forward::names(event);
    writeln!(out, "{}  published {detail_type} {id}", local(Timestamp::now()))
}

/// Removes what killed runs left. It does not keep anybody from listening.
async fn remove_abandoned(bus: &Bus) {
    match bus.abandoned(Timestamp::now()).await {
        Ok(names) => {
            for name in names {
                match bus.remove(&name).await {
                    Ok(()) => eprintln!("removed {name}, which a run that was killed had left"),
                    Err(problem) => eprintln!("{}", problem.0),
                }
            }
        }
        Err(problem) => eprintln!("it is not known what runs that were killed have left: {}", problem.0),
    }
}

/// Ends when the process is asked to end. It is asked from now on, not from the first poll on.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}
