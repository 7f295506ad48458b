//! The demo's part on saliency: networks trained in different ways, explained side by side.

use super::{CUTMIX, CUTOUT, Demo, MIXUP, PREPROCESSING, SEED_0, SEED_1, preprocessing};
use crate::analysis::{Saliency, Score};
use crate::cli::{output, outputs, saliency};
use crate::error::Result;
use crate::render::ColorMap;
use crate::report::saliency::SaliencyReport;
use crate::view::saliency::comparison;

/// What is asked.
pub const QUESTION: &str = "\
Where do networks look, and does it change with how they were trained? Grad-CAM for the image's own
class, by the two seeds and by networks trained from the first one's seed with Cutout (a square is
blanked out), Mixup (two images are blended) and CutMix (a square is pasted from another image):
";

/// What the numbers say, and what they do not.
pub const MEANING: &str = "
What the numbers mean: a map says where there are features that raise the score of the class. At
layer4 it has 4x4 values, so it tells parts of a garment apart and no edges. That maps differ does not
mean that predictions do, nor which network is right. One network a training cannot tell its effect
from chance; the second seed stands beside as a measure of chance. Whether the prediction rests on what
a map shows is tested by --faithfulness and --sanity.
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
        let files = saliency::FileArgs { plot: Some(sheet.into()), ..FILES };
        let mut files = saliency::Files::new(&files);
        let mut found = explained(&models, &images).run(self.messages, &mut files)?;
        files.write(&mut found, Some(report.as_ref()))?;
        output::write_report(&found, report.as_ref())?;
        outputs::commit()?;
        self.say(&comparison(&found, &["Pearson"]))?;
        Ok(found)
    }
}

/// What is drawn: a sheet of five images.
const FILES: saliency::FileArgs = saliency::FileArgs {
    maps: None,
    map_size: saliency::MapSize::Input,
    images: None,
    plot: None,
    rows: 5,
    colormap: ColorMap::Viridis,
    opacity: 0.5,
};

/// The maps of all images for their own class.
pub(super) fn explained(models: &[String], images: &str) -> Saliency {
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
