//! What makes two shards ones of the same run.

use serde::{Deserialize, Serialize};

use crate::analysis::Running;
use crate::data::{Dataset, Preprocess};
use crate::error::{Error, Result};
use crate::report::{ModelInput, Tool};
use crate::torchscript::libtorch_version;

/// Something that has to be the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is: `batch_size`, `model a.pt`.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// All that has to be the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facts(Vec<Fact>);

impl Facts {
    /// The program, and the settings that a report holds, except for the device.
    ///
    /// # Errors
    /// The settings cannot be written.
    pub fn of(settings: &impl Serialize, running: &Running) -> Result<Self> {
        let tool = Tool::current(libtorch_version());
        let mut facts = Self::default();
        facts.add("version of repsim", tool.version);
        facts.add("version of libtorch", tool.libtorch);
        let failed = |e| Error::usage(format!("failed to write JSON: {e}"), "please report this");
        let settings = serde_json::to_value(settings).map_err(failed)?;
        for (name, value) in settings.as_object().into_iter().flatten() {
            if name != "device" {
                facts.add(name, value);
            }
        }
        let inputs = running.inputs.iter().map(|given| given.text.as_str());
        facts.add("--input", inputs.collect::<Vec<_>>().join(" "));
        Ok(facts)
    }

    /// Adds one.
    pub fn add(&mut self, name: impl ToString, value: impl ToString) {
        self.0.push(Fact { name: name.to_string(), value: value.to_string() });
    }

    /// Adds what is known of a model.
    pub fn add_model(&mut self, model: &ModelInput) {
        let path = &model.path;
        self.add(format!("model {path}"), model.identity());
        let layers: Vec<&str> = model.layers.iter().map(|layer| layer.name.as_str()).collect();
        self.add(format!("layers of {path}"), layers.join(" "));
        for layer in &model.layers {
            let axis = layer.channel_axis.map_or("none".to_owned(), |axis| axis.to_string());
            self.add(format!("axis of the channels of {} of {path}", layer.name), axis);
        }
        let inputs: Vec<&str> = model.inputs.iter().map(|input| input.array.as_str()).collect();
        self.add(format!("inputs of {path}"), inputs.join(" "));
        if let Some(folder) = &model.features {
            self.add(format!("index of {}", folder.path), &folder.sha256);
        }
        let told = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        self.add(format!("type of floats of {path}"), told(&model.dtype));
        self.add(format!("output of {path}"), told(&model.output_key));
        let seed = model.draw_seed.map(|seed| seed.to_string());
        self.add(format!("seed of the draws of {path}"), told(&seed));
    }

    /// Adds what is known of a data set before it is read.
    ///
    /// # Errors
    /// The preprocessing cannot be written.
    pub fn add_data(&mut self, data: &Dataset, preprocess: &[Preprocess]) -> Result<()> {
        let path = data.path().display();
        self.add(format!("number of samples of {path}"), data.len());
        self.add(format!("names of the samples of {path}"), data.listing());
        if let Some(labels) = data.listing_of_labels() {
            self.add(format!("labels of {path}"), labels);
        }
        if let Ok(found) = std::fs::metadata(data.path())
            && found.is_file()
        {
            self.add(format!("bytes of {path}"), found.len());
        }
        let failed = |e| Error::usage(format!("failed to write JSON: {e}"), "please report this");
        let steps = serde_json::to_string(preprocess).map_err(failed)?;
        self.add(format!("preprocessing of {path}"), steps);
        Ok(())
    }

    /// The first difference from those of others, in words.
    pub fn apart(&self, others: &Self) -> Option<String> {
        let value = |facts: &Self, name: &str| {
            let found = facts.0.iter().find(|fact| fact.name == name);
            found.map_or("none".to_owned(), |fact| short(&fact.value))
        };
        let missing = others.0.iter().filter(|other| !self.0.iter().any(|f| f.name == other.name));
        let differs = |fact: &&Fact| others.0.iter().all(|other| other != *fact);
        let fact = self.0.iter().find(differs).or_else(|| missing.into_iter().next())?;
        let name = &fact.name;
        Some(format!("{name}: {} here, {} there", value(self, name), value(others, name)))
    }
}

/// Letters of a value that are shown.
const SHOWN: usize = 60;

fn short(value: &str) -> String {
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}
