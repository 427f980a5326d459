//! `waltap explain`: the page of an error's code.

use std::process::ExitCode;

use waltap_error::{Code, Error, Result};

use crate::output;
use crate::pages;

pub(super) fn run(code: Option<&str>) -> Result<ExitCode> {
    match code {
        Some(text) => {
            let code: Code = text.trim().parse().map_err(|error: waltap_error::ParseCodeError| {
                Error::configuration(Code::INVALID_VALUE, format!("`{text}` is no code"))
                    .source(error)
                    .remedy("`waltap explain` lists all codes")
            })?;
            output::print(pages::page(code))?;
        }
        None => {
            let list: String = Code::ALL.iter().map(|code| format!("{code}  {}\n", code.title())).collect();
            output::print(&list)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
