//! `waltap pause --table` and `waltap resume --table`: withholding the changes of single tables.

use std::process::ExitCode;
use std::time::Duration;

use waltap_capture::{Asked, Asking, PauseState};
use waltap_error::{Code, Error, Kind, Result};

use super::block_on;
use super::pause::Wish;
use crate::failure::printable;
use crate::output;

/// How often it is looked what became of it.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn run(asking: &Asking<'_>, wish: Wish, wait: bool) -> Result<ExitCode> {
    block_on(Box::pin(async {
        let asked = match wish {
            Wish::Pause => asking.pause().await?,
            Wish::Resume => asking.resume().await?,
        };
        output::print(&printable(&story(&asked, wish)))?;
        match wait {
            true => wait_for(asking, &asked, wish).await,
            false => Ok(()),
        }
    }))?;
    Ok(ExitCode::SUCCESS)
}

/// What was asked.
fn story(asked: &[Asked], wish: Wish) -> String {
    let what = match wish {
        Wish::Pause => "asked to be paused",
        Wish::Resume => "asked to go on",
    };
    let mut story = String::new();
    for Asked { database, id, tables } in asked {
        let tables: Vec<&str> = tables.iter().map(|(_, name)| name.as_str()).collect();
        story.push_str(&format!("{what}, of database {database}: {} (request {id})\n", tables.join(", ")));
    }
    if wish == Wish::Pause {
        story.push_str("until `waltap resume --table` their changes are withheld, and the slots keep the log of the server\n");
    }
    story
}

/// Waits until it is so with every table, and tells of each when it is.
async fn wait_for(asking: &Asking<'_>, asked: &[Asked], wish: Wish) -> Result<()> {
    let done = match wish {
        Wish::Pause => "paused",
        Wish::Resume => "goes on",
    };
    let mut told: Vec<Vec<bool>> = asked.iter().map(|asked| vec![false; asked.tables.len()]).collect();
    let mut refused = Vec::new();
    while told.iter().flatten().any(|is_told| !*is_told) {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let states = match asking.pause_states(asked, wish == Wish::Pause).await {
            Ok(states) => states,
            Err(error) if error.kind() == Kind::Transient => {
                tracing::warn!(error = error.report(), "what became of the tables cannot be seen now; trying again");
                continue;
            }
            Err(error) => return Err(error),
        };
        for ((Asked { database, tables, .. }, states), told) in asked.iter().zip(states).zip(&mut told) {
            for (((_, table), state), is_told) in tables.iter().zip(states).zip(told) {
                match state {
                    _ if *is_told => continue,
                    PauseState::Waiting | PauseState::CatchingUp => continue,
                    PauseState::Done => {
                        output::print(&printable(&format!("{database}: {table}: {done}\n")))?;
                    }
                    PauseState::Refused => refused.push(format!("{database}: {table}")),
                }
                *is_told = true;
            }
        }
    }
    match refused.is_empty() {
        true => Ok(()),
        false => {
            let message = format!("the capture has passed over: {}", refused.join(", "));
            Err(Error::configuration(Code::REQUEST, message).remedy("its log says why"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pause_costs_is_said() {
        let tables = vec![(5, "public.orders".to_owned()), (6, "public.items".to_owned())];
        let asked = [Asked { database: "shop".to_owned(), id: "7".to_owned(), tables }];
        let text = story(&asked, Wish::Pause);
        assert!(text.starts_with("asked to be paused, of database shop: public.orders, public.items (request 7)\n"), "{text}");
        assert!(text.contains("the slots keep the log"), "{text}");
        assert_eq!(story(&asked, Wish::Resume), "asked to go on, of database shop: public.orders, public.items (request 7)\n");
    }
}
