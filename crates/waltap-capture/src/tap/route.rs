//! Where the records of a table go.

use waltap_error::{Code, Error, Result};
use waltap_event::{Outbox, TableShape};

use super::Context;
use crate::sink::Topic;

/// What to do about an outbox that lacks a column.
pub(crate) const OUTBOX_REMEDY: &str =
    "name its columns in --outbox, as in `public.outbox=key:aggregateid,payload:payload`, and those of --outbox-topic";

/// Where the records of a table go.
#[derive(Debug)]
pub(crate) enum Route {
    /// Its events, to its topic.
    Topic(Topic),
    /// Its new rows are messages, each to the topic that it names.
    Outbox(Outbox),
}

/// The routes of tables of these shapes, in their order; their topics are made where they are missing.
pub(crate) async fn routes(context: &Context, shapes: &[&TableShape]) -> Result<Vec<Route>> {
    let outboxes = shapes.iter().map(|shape| outbox(context, shape)).collect::<Result<Vec<Option<Outbox>>>>()?;
    let with_topics = shapes.iter().zip(&outboxes).filter(|(_, outbox)| outbox.is_none());
    let names: Vec<(&str, &str)> = with_topics.map(|(shape, _)| (&*shape.schema, &*shape.table)).collect();
    let mut topics = context.topics(&names).await?.into_iter();
    let route = |outbox| match outbox {
        Some(outbox) => Some(Route::Outbox(outbox)),
        None => topics.next().map(Route::Topic),
    };
    Ok(outboxes.into_iter().filter_map(route).collect())
}

fn outbox(context: &Context, shape: &TableShape) -> Result<Option<Outbox>> {
    let columns = context.options().outbox(&shape.schema, &shape.table);
    let outbox = columns.map(|columns| Outbox::new(shape, columns)).transpose();
    outbox.map_err(|error| {
        let doing = format!("reading {}.{} of database {} as an outbox", shape.schema, shape.table, context.database);
        Error::configuration(Code::NO_COLUMN, doing).source(error).remedy(OUTBOX_REMEDY)
    })
}
