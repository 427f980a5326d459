//! `waltap-embedded-broker ADDRESS`: serves Kafka's protocol from memory until it is killed.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(address) = std::env::args().nth(1) else {
        eprintln!("usage: waltap-embedded-broker ADDRESS");
        return ExitCode::from(2);
    };
    match noida::kafka::spawn(&address) {
        Ok(address) => {
            eprintln!("listening on {address}");
            // It works on threads of its own.
            loop {
                std::thread::park();
            }
        }
        Err(error) => {
            eprintln!("cannot listen on {address}: {error}");
            ExitCode::FAILURE
        }
    }
}
