//! Keeps the newest state of every order in PostgreSQL: SQS events in, one upsert an event.

mod database;
mod event;

use database::Database;
use event::{Answer, Batch, Failure, Message};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let database = &Database::from_environment()?;
    lambda_runtime::run(service_fn(|batch: LambdaEvent<Batch>| async move {
        Ok::<_, Error>(handle(database, batch.payload).await)
    }))
    .await
}

/// Stores every message of a batch. Those that fail are handed over again, and end in the dead-letter queue.
async fn handle(database: &Database, batch: Batch) -> Answer {
    let mut answer = Answer::default();
    for message in batch.records {
        if let Err(reason) = store(database, &message).await {
            // The reason holds no part of the order.
            eprintln!("an order was not stored: message {}: {reason}", message.message_id);
            answer.batch_item_failures.push(Failure { item_identifier: message.message_id });
        }
    }
    answer
}

async fn store(database: &Database, message: &Message) -> Result<(), Error> {
    let order = event::read(&message.body)?;
    let written = database.upsert(&order).await?;
    println!("{} is {}", order.id, if written { "stored" } else { "known, or older than what is stored" });
    Ok(())
}
