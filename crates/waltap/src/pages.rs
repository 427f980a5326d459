//! The pages of `docs/errors/`, in the program, so that `waltap explain` needs no network and always fits the version.

use waltap_error::Code;

/// The page of a code.
pub(crate) fn page(code: Code) -> &'static str {
    let name = code.to_string();
    // A test holds that every code has a page.
    PAGES.iter().find(|(page, _)| *page == name).map_or("There is no page for this code.\n", |(_, text)| text)
}

macro_rules! pages {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../docs/errors/", $name, ".md")))),*]
    };
}

const PAGES: &[(&str, &str)] = pages! {
    "WT0001"
    "WT0002"
    "WT0003"
    "WT0004"
    "WT0005"
    "WT0006"
    "WT0007"
    "WT0008"
    "WT0009"
    "WT0010"
    "WT0011"
    "WT0012"
    "WT0013"
    "WT0014"
    "WT0015"
    "WT0016"
    "WT0017"
    "WT0018"
    "WT0019"
    "WT0020"
    "WT0021"
    "WT0022"
    "WT0023"
    "WT0024"
    "WT0025"
    "WT0026"
    "WT0027"
    "WT0028"
    "WT0029"
    "WT0030"
    "WT0031"
    "WT0032"
    "WT0033"
    "WT0034"
    "WT0035"
    "WT0036"
    "WT0039"
    "WT0040"
    "WT0041"
    "WT0042"
    "WT0043"
    "WT0044"
    "WT0045"
    "WT0046"
    "WT0047"
    "WT0048"
    "WT0049"
    "WT0050"
    "WT0051"
    "WT0052"
    "WT0053"
    "WT0054"
    "WT0055"
    "WT0056"
    "WT0057"
    "WT0058"
    "WT0059"
    "WT0061"
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let codes: Vec<String> = Code::ALL.iter().map(ToString::to_string).collect();
        let pages: Vec<&str> = PAGES.iter().map(|(name, _)| *name).collect();
        assert_eq!(pages, codes);
    }

    #[test]
    fn a_page_begins_with_its_title_and_says_what_to_do() {
        for code in Code::ALL {
            let page = page(*code);
            assert!(page.starts_with(&format!("# {code}: {}\n", code.title())), "{code}");
            for heading in ["\n## What happened\n", "\n## What to do\n"] {
                assert!(page.contains(heading), "{code} lacks {heading:?}");
            }
        }
    }

    #[test]
    fn the_index_lists_every_page() {
        let index = include_str!("../../../docs/errors/README.md");
        for code in Code::ALL {
            assert!(index.contains(&format!("[{code}]({code}.md)")), "{code}");
            assert!(index.contains(code.title()), "{code}");
        }
    }
}
