//! The main analyses on models and images that come with the program: a program that uses the library, and the
//! commands that would do the same.

mod explain;

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use crate::analysis::{Cka, Fid, Layers, Observer, Preprocessing};
use crate::data::{Channels, Preset, degrade};
use crate::error::{Error, Result, visible_lines};
use crate::frechet::Metric;
use crate::report::cka::CkaReport;
use crate::report::fid::FidReport;
use crate::report::{Provisional, command_line, write_atomically};
use crate::view::{PictureFormat, Plot, Screen, Tables, page, to_json};

pub use explain::explained;

static IMAGES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/examples/images");

/// Name in the demo's folder and bytes of a model that comes with the binary.
macro_rules! model {
    ($name:literal, $file:literal) => {
        ($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/models/", $file)))
    };
}

const SEED_0: (&str, &[u8]) = model!("seed0.pt", "fashion-seed0-scripted.pt");
const SEED_1: (&str, &[u8]) = model!("seed1.pt", "fashion-seed1-traced.pt");
const UNTRAINED: (&str, &[u8]) = model!("untrained.pt", "fashion-untrained-scripted.pt");
const CUTOUT: (&str, &[u8]) = model!("cutout.pt", "fashion-cutout-scripted.pt");
const MIXUP: (&str, &[u8]) = model!("mixup.pt", "fashion-mixup-scripted.pt");
const CUTMIX: (&str, &[u8]) = model!("cutmix.pt", "fashion-cutmix-scripted.pt");

/// How the networks were trained: bytes to 0…1, then Fashion-MNIST's mean and deviation.
pub const PREPROCESSING: &[&str] =
    &["--preprocess", "raw", "--channels", "3", "--mean", "0.2860", "--std", "0.3530"];

/// What the demo is shown on, and where it leaves its files.
pub struct Demo<'a> {
    /// The folder of the models, the images, the reports and the pictures.
    pub folder: &'a Path,
    /// Shows a piece of text.
    pub show: &'a dyn Fn(&str) -> Result<()>,
    /// What the text is shown on.
    pub screen: Screen,
    /// Who follows the runs.
    pub observer: &'a dyn Observer,
}

const INTRODUCTION: &str = "\
Narrow ResNet-18 for Fashion-MNIST: two trained from different seeds (one exported by scripting, one
by tracing), one never trained, three trained with Cutout, Mixup and CutMix. First, what such a network
is made of:
";

const SEEDS: &str = "
Do two networks that differ only in their seed see alike? CKA of every layer of the one with every
layer of the other, over 500 images:
";

const CONTROL: &str = "
A control: the same network against one that was never trained.
";

const MEANING: &str = "
What the numbers mean: CKA is 1 where two layers arrange the images in the same way, up to rotation
and scale, and near 0 where the arrangements have nothing in common. It does not say that the
networks use what they see alike, it is moved by few outliers, and early layers are alike even in
untrained networks, because they still look like the image.
";

const COPIES: &str = "\
How far do images lie from others, in the features of the first network? The 500 images against
copies of them with noise, blur and JPEG artefacts of growing strength:
";

const DISTANCES: &str = "
What the numbers mean: FID is the Fréchet distance between Gaussians fitted to the features, 0 for
equal sets; it has no unit, and values from another network, layer, resizing or number of images
must not be compared with these. KID has no bias from few images, and may be negative where there is
no difference.
";

impl Demo<'_> {
    /// Lists the layers of a network, compares it with another seed and with an untrained one, scores
    /// degraded copies of the images, and explains what networks look at that were trained in different
    /// ways.
    ///
    /// # Errors
    /// The folder cannot be written to, what the analyses say, or nothing can be shown.
    pub fn run(&self) -> Result<()> {
        let made = Provisional::make(self.folder);
        let made = made.map_err(|e| Error::io("create", self.folder, e))?;
        self.unpack()?;
        self.say(INTRODUCTION)?;
        self.layers()?;
        self.say(SEEDS)?;
        let seeds = self.compare(SEED_1.0, "seeds")?;
        self.say(&reading(&seeds))?;
        self.say(CONTROL)?;
        let control = self.compare(UNTRAINED.0, "untrained")?;
        self.say(&contrast(&seeds, &control))?;
        self.say(MEANING)?;
        self.say(COPIES)?;
        let copies = self.score()?;
        self.say(&ranking(&copies))?;
        self.say(DISTANCES)?;
        self.say(explain::QUESTION)?;
        let explained = self.explain()?;
        self.say(&explain::reading(&explained))?;
        self.say(explain::MEANING)?;
        let page = self.page()?;
        let folder = self.folder.display();
        made.keep();
        self.say(&format!("Everything is in {folder}; {page} is a page of all reports to read."))
    }

    fn unpack(&self) -> Result<()> {
        let images = self.folder.join("images");
        create(&images)?;
        IMAGES.extract(&images).map_err(|e| Error::io("write", &images, e))?;
        for (name, bytes) in [SEED_0, SEED_1, UNTRAINED, CUTOUT, MIXUP, CUTMIX] {
            write_atomically(&self.folder.join(name), bytes)?;
        }
        Ok(())
    }

    fn say(&self, text: &str) -> Result<()> {
        (self.show)(&format!("{}\n", self.screen.lines(text)))
    }

    /// A path as commands take it, which is not an option.
    fn path(&self, name: &str) -> String {
        let path = self.folder.join(name).display().to_string();
        match path.starts_with('-') {
            true => format!("./{path}"),
            false => path,
        }
    }

    fn layers(&self) -> Result<()> {
        let model = self.path(SEED_0.0);
        self.show_command(&[
            "layers",
            &model,
            "--input-size",
            "3x32x32",
            "--layers",
            "*",
            "--layers",
            "*.*",
        ])?;
        let report = layers_of(model).run()?;
        self.say(&report.text(&self.screen))
    }

    fn compare(&self, other: &str, name: &str) -> Result<CkaReport> {
        let (a, b, data) = (self.path(SEED_0.0), self.path(other), self.path("images"));
        let report = self.path(&format!("{name}.json"));
        let picture = self.path(&format!("{name}.png"));
        let mut words = vec!["cka", &a, &b, "--data", &data];
        words.extend(PREPROCESSING);
        words.extend(["-o", &report, "--plot", &picture]);
        self.show_command(&words)?;
        let mut found = comparison(&a, &b, &data).run(self.observer)?;
        found.command = Some(command(&words));
        let drawn = found.plot(PictureFormat::PNG);
        let drawn = drawn.map_err(|e| Error::file("draw", &picture, e, CkaReport::SMALLER))?;
        write_atomically(picture.as_ref(), &drawn)?;
        write_report(&found, &report)?;
        self.say(&found.text(&self.screen))?;
        Ok(found)
    }

    /// Scores copies of the images, made on the way, against the images.
    fn score(&self) -> Result<FidReport> {
        let copies = self.folder.join("copies");
        create(&copies)?;
        let made = degrade::copies(&self.folder.join("images"))?;
        let mut paths = Vec::new();
        for copy in &made {
            let path = copies.join(format!("{}-{}.npy", copy.kind, copy.strength));
            write_atomically(&path, &copy.array)?;
            paths.push(path.display().to_string());
        }
        let (model, images, report) =
            (self.path(SEED_0.0), self.path("images"), self.path("fid.json"));
        let mut words = vec!["fid", &images];
        words.extend(paths.iter().map(String::as_str));
        words.extend(["--model", &model, "--metrics", "fid,kid", "--kid-subset-size", "250"]);
        words.extend(PREPROCESSING);
        words.extend(["-o", &report]);
        self.show_command(&words)?;
        let mut found = scores(&model, &images, &paths).run(self.observer, &mut |_| Ok(()))?;
        found.command = Some(command(&words));
        write_report(&found, &report)?;
        self.say(&found.text(&self.screen))?;
        Ok(found)
    }

    /// Puts all reports into one page; gives its path.
    fn page(&self) -> Result<String> {
        let place = self.path("report.html");
        let reports = ["seeds", "untrained", "fid", "saliency"];
        let reports = reports.map(|name| self.path(&format!("{name}.json")));
        let mut words = vec!["report"];
        words.extend(reports.iter().map(String::as_str));
        words.extend(["-o", &place]);
        self.show_command(&words)?;
        let paths: Vec<PathBuf> = reports.iter().map(PathBuf::from).collect();
        let html = page::of_reports(&paths, &[], None)?;
        write_atomically(place.as_ref(), visible_lines(&html).as_bytes())?;
        Ok(place)
    }

    /// Prints a command that does what comes next.
    fn show_command(&self, words: &[&str]) -> Result<()> {
        (self.show)(&format!("$ {}\n\n", command(words)))
    }
}

fn command(words: &[&str]) -> String {
    command_line(std::iter::once("repsim").chain(words.iter().copied()))
}

fn write_report<T: serde::Serialize>(report: &T, path: &str) -> Result<()> {
    write_atomically(path.as_ref(), format!("{}\n", to_json(report)?).as_bytes())
}

/// What [`PREPROCESSING`] says.
fn preprocessing() -> Preprocessing {
    Preprocessing {
        preset: Some(Preset::Raw),
        channels: Some(Channels::Rgb),
        mean: Some(vec![0.2860]),
        std: Some(vec![0.3530]),
        ..Preprocessing::default()
    }
}

fn layers_of(model: String) -> Layers {
    Layers {
        input_size: Some(vec![3, 32, 32]),
        layers: vec!["*".to_owned(), "*.*".to_owned()],
        ..Layers::new(model)
    }
}

/// The comparison that is shown, of two models on data.
pub fn comparison(a: &str, b: &str, data: &str) -> Cka {
    let mut cka = Cka::new(a, b).data(data);
    cka.sides.preprocessing = preprocessing();
    cka
}

/// The scores that are shown, of candidates against a reference.
pub fn scores(model: &str, reference: &str, candidates: &[String]) -> Fid {
    let mut fid = Fid::new(reference, candidates);
    fid.metrics = vec![Metric::Fid, Metric::Kid];
    fid.kid_subset_size = 250;
    fid.extraction.model = Some(model.into());
    fid.extraction.preprocessing = preprocessing();
    fid
}

fn create(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))
}

/// CKA of layers of the same name.
fn diagonal(report: &CkaReport) -> Vec<(String, f64)> {
    let results = &report.results;
    let own = |(i, name): (usize, &String)| {
        let j = results.layers_b.iter().position(|l| l == name)?;
        Some((name.clone(), results.cka[i][j].get()?))
    };
    results.layers_a.iter().enumerate().filter_map(own).collect()
}

fn mean(values: &[(String, f64)]) -> f64 {
    values.iter().map(|(_, v)| v).sum::<f64>() / values.len().max(1) as f64
}

fn reading(report: &CkaReport) -> String {
    let own = diagonal(report);
    let rows = report.results.layers_a.len();
    let best = report.results.best_matches.iter().flatten();
    let same = best.filter(|b| is_same_stage(&b.layer_a, &b.layer_b)).count();
    let least = own.iter().min_by(|a, b| a.1.total_cmp(&b.1));
    let least = least.map_or_else(String::new, |(name, v)| format!(", least in {name} ({v:.2})"));
    format!(
        "Layers of the same name agree with a mean CKA of {:.2}{least}; for {same} of {rows} layers \
         the best\nmatch lies in the same stage of the other network.",
        mean(&own)
    )
}

/// Whether two layers belong to the same part of the network: `layer3.0` and `layer3.1`.
fn is_same_stage(a: &str, b: &str) -> bool {
    a.split('.').next() == b.split('.').next()
}

fn contrast(seeds: &CkaReport, control: &CkaReport) -> String {
    format!(
        "Trained against untrained, the mean over layers of the same name is {:.2}, where two seeds \
         have {:.2}:\nthe agreement of the seeds is what training made of them, not the \
         architecture.",
        mean(&diagonal(control)),
        mean(&diagonal(seeds))
    )
}

/// Whether FID rises with the strength of every degradation.
fn ranking(report: &FidReport) -> String {
    let (rows, metrics) = (&report.results.candidates, &report.settings.metrics);
    let rises = rows.chunks(degrade::STRENGTHS).all(|kind| {
        kind.is_sorted_by(
            |a, b| matches!((a.score(metrics), b.score(metrics)), (Some(a), Some(b)) if a < b),
        )
    });
    match rises {
        true => "FID rises with the strength of each of the three.".to_owned(),
        false => "FID does not rise with the strength of each of the three.".to_owned(),
    }
}
