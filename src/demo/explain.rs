//! The demo's part on saliency: networks trained in different ways, explained side by side.

use std::path::Path;

use super::{
    CUTMIX, CUTOUT, Demo, MIXUP, PREPROCESSING, SEED_0, SEED_1, command, preprocessing,
    write_report,
};
use crate::analysis::{ColumnMaps, Saliency, SaliencySink, Score};
use crate::error::{Error, Result};
use crate::render::ColorMap;
use crate::report::saliency::SaliencyReport;
use crate::report::{PictureFile, write_atomically};
use crate::view::PictureFormat;
use crate::view::saliency::comparison;
use crate::view::saliency::pictures::{Look, Mapped, Pictures, Planned, SMALLER};

/// What is asked.
pub const QUESTION: &str = "\
Where do networks look, and does it change with how they were trained? Grad-CAM for the image's true
class, by the two seeds and by networks trained from the first one's seed with Cutout (a square is
blanked out), Mixup (two images are blended) and CutMix (a square is pasted from another image):
";

/// What the numbers say, and what they do not.
pub const MEANING: &str = "
What the numbers mean: a map says where there are features that raise the score of the class. At
layer4 it has 4x4 values: enough to tell parts of a garment apart, but not edges. Different maps do not
mean different predictions, and do not say which network is right. With one network per training its
effect cannot be told from chance; the second seed is there as a measure of chance. Whether the
prediction rests on what a map shows is tested by --faithfulness and --sanity.
";

impl Demo<'_> {
    /// Explains all images by the five networks that were trained, and draws some of them.
    ///
    /// # Errors
    /// The files cannot be written, or what the command says.
    pub(super) fn explain(&self) -> Result<SaliencyReport> {
        let models = [SEED_0, SEED_1, CUTOUT, MIXUP, CUTMIX].map(|(name, _)| self.path(name));
        let (images, report) = (self.path("images"), self.path("saliency.json"));
        let sheet = self.path("saliency.png");
        let mut words = vec!["saliency"];
        words.extend(models.iter().map(String::as_str));
        words.extend(["--data", &images, "--method", "gradcam", "--layers", "layer4"]);
        words.extend(["--true-class", "--plot", &sheet, "--rows", "5"]);
        words.extend(PREPROCESSING);
        words.extend(["-o", &report]);
        self.show_command(&words)?;
        let look = Look { colours: ColorMap::Viridis, opacity: 0.5 };
        let mut drawn = Drawn(Pictures::new(look, ROWS));
        let mut found = explained(&models, &images).run(self.observer, &mut drawn)?;
        found.command = Some(command(&words));
        let picture = drawn.0.sheet(&found, PictureFormat::PNG);
        let picture = picture.map_err(|e| Error::file("draw", &sheet, e, SMALLER))?;
        write_atomically(sheet.as_ref(), &picture)?;
        let (shows, beside) = ("Saliency maps over the images", Some(Path::new(&report)));
        let (path, shown) = (Path::new(&sheet), Path::new(&sheet));
        found.pictures = vec![PictureFile::written(shows, path, shown, beside)?];
        write_report(&found, &report)?;
        self.say(comparison(&found, &["Pearson"], &self.screen).trim_start_matches('\n'))?;
        Ok(found)
    }
}

/// Images in the picture.
const ROWS: usize = 5;

/// A picture with a row an image.
struct Drawn(Pictures);

impl SaliencySink for Drawn {
    fn wants_images(&self) -> bool {
        true
    }

    fn begin(&mut self, _: &Planned<'_>) -> Result<()> {
        Ok(())
    }

    fn maps(&mut self, _: usize, _: &ColumnMaps<'_>) -> Result<()> {
        Ok(())
    }

    fn image(&mut self, mapped: &Mapped<'_>) -> Result<()> {
        match self.0.shows(mapped) {
            true => self.0.take(mapped, |_, _| Ok(())),
            false => Ok(()),
        }
    }
}

/// The maps of all images for their true class.
pub fn explained(models: &[String], images: &str) -> Saliency {
    let mut saliency = Saliency::new(models).data(images);
    saliency.layers = vec!["layer4".to_owned()];
    saliency.target.score = Score::TrueClass;
    saliency.preprocessing = preprocessing();
    saliency
}

/// The agreement of the first seed with each other network, and what that says.
pub fn reading(report: &SaliencyReport) -> String {
    let first = report.results.columns.first().map_or("", |column| column.name.as_str());
    let pairs = report.results.comparison.iter().filter(|pair| pair.a == first);
    let found: Vec<f64> = pairs.filter_map(|pair| pair.pearson.mean.get()).collect();
    let &[seed, cutout, mixup, cutmix] = found.as_slice() else { return String::new() };
    let trained = [("Cutout", cutout), ("Mixup", mixup), ("CutMix", cutmix)];
    let below: Vec<&str> = trained.iter().filter(|(_, r)| *r < seed).map(|(n, _)| *n).collect();
    let least = trained.iter().min_by(|a, b| a.1.total_cmp(&b.1)).map_or("", |(name, _)| name);
    let verdict = match below.as_slice() {
        [] => "No training\nchanges the maps more than another seed does.".to_owned(),
        [one] => format!("Only {one}\nchanges the maps more than another seed does."),
        [first @ .., last] => format!(
            "{} and {last}\nchange the maps more than another seed does, {least} the most.",
            first.join(", ")
        ),
    };
    format!(
        "The maps of two seeds correlate by {seed:.2}. Those of the first correlate by {cutout:.2} \
         with Cutout's, by\n{mixup:.2} with Mixup's and by {cutmix:.2} with CutMix's. {verdict}"
    )
}
