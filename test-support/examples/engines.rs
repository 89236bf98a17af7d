//! Starts each engine as the tests would, and prints what it is: the list of `scripts/test`.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use test_support::engines::{Availability, azurite, mongodb, rabbitmq, s3};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let rabbitmq = async {
        match rabbitmq::available().await {
            Availability::Running(broker) => broker.description().await,
            Availability::Missing(how) => not_found(&how),
        }
    };
    let mongodb = async {
        match mongodb::available().await {
            Availability::Running(server) => server.description().await,
            Availability::Missing(how) => not_found(&how),
        }
    };
    let azurite = async {
        match azurite::available().await {
            Availability::Running(store) => store.description().await,
            Availability::Missing(how) => not_found(&how),
        }
    };
    let s3 = async {
        match s3::available().await {
            Availability::Running(store) => store.description().await,
            Availability::Missing(how) => not_found(&how),
        }
    };
    let (rabbitmq, mongodb, azurite, s3) = tokio::join!(rabbitmq, mongodb, azurite, s3);
    println!("RabbitMQ: {rabbitmq}");
    println!("MongoDB: {mongodb}");
    println!("Azure Blob Storage: Azurite {azurite}");
    println!("S3: {s3}");
}

fn not_found(how: &str) -> String {
    format!("NOT FOUND. {how}")
}
