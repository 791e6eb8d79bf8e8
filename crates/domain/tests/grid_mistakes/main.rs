//! What a person sees for each kind of mistake in a grid file, word for word.

mod axes;
mod names;
mod source;
mod training;
mod values;

use domain::grid::parse;

/// The first lines of every file whose mistake is further down.
const HEAD: &str = "name = \"x\"\n[data]\npath = \"cells\"\n";

#[track_caller]
fn assert_refused(text: &str, rendered: &str) {
    let error = parse(text).expect_err("the file has a mistake");
    assert_eq!(error.render(text, "grid.toml"), rendered);
    if let Some(span) = error.span {
        assert!(text.get(span.clone()).is_some(), "{span:?} lies inside the text");
    }
}
