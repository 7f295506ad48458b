//! `repsim demo`: what the library's demo shows, on standard output.

use std::path::PathBuf;

use super::output::{self, Messages};
use super::terminal;
use crate::demo::Demo;
use crate::error::Result;

/// Options of `repsim demo`.
#[derive(clap::Args)]
pub struct Args {
    /// Folder for the models, the images, the reports and the pictures
    #[arg(long, value_name = "FOLDER", default_value = "repsim-demo")]
    folder: PathBuf,
}

/// Runs the demo.
///
/// # Errors
/// As [`Demo::run`].
pub fn run(args: &Args, messages: &Messages) -> Result<()> {
    let screen = terminal::screen().clone();
    Demo { folder: &args.folder, show: &output::print, screen, observer: messages }.run()
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use crate::cli::{cka, fid, saliency};
    use crate::demo::{PREPROCESSING, comparison, explained, scores};

    fn parsed<T: clap::Args + FromArgMatches>(words: &[&str]) -> T {
        let command = T::augment_args(clap::Command::new("repsim"));
        let matches = command.try_get_matches_from([&["it"], words].concat());
        T::from_arg_matches(&matches.expect("the words are options")).expect("they are whole")
    }

    /// The commands that are shown ask for what the demo runs.
    #[test]
    fn commands_and_requests_are_the_same() {
        let cka: cka::Args = parsed(&[&["a", "b", "--data", "c"], PREPROCESSING].concat());
        let request = cka.request().expect("a comparison");
        assert_eq!(format!("{request:?}"), format!("{:?}", comparison("a", "b", "c")));
        let words = ["r", "c", "--model", "m", "--metrics", "fid,kid", "--kid-subset-size", "250"];
        let fid: fid::Args = parsed(&[&words, PREPROCESSING].concat());
        let request = fid.request().expect("scores");
        assert_eq!(format!("{request:?}"), format!("{:?}", scores("m", "r", &["c".to_owned()])));
        let words =
            ["a", "b", "--data", "c", "--method", "gradcam", "--layers", "layer4", "--true-class"];
        let saliency: saliency::Args = parsed(&[&words, PREPROCESSING].concat());
        let request = saliency.request().expect("maps");
        let own = explained(&["a", "b"].map(str::to_owned), "c");
        assert_eq!(format!("{request:?}"), format!("{own:?}"));
    }
}
