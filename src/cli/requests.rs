//! From groups of options to the parts of requests.

use super::args::{
    DataArgs, FloatArg, LoadArgs, ModelArgs, PreprocessArgs, PreprocessBArgs, TextArgs,
};
use super::{defaults, sandbox};
use crate::analysis::{Data, FloatType, Loading, Preprocessing, Running, Texts};
use crate::error::Result;

impl DataArgs {
    /// The samples asked for.
    pub fn request(&self) -> Data {
        Data { path: self.data.clone(), texts: self.texts.request(), load: self.load.request() }
    }
}

impl TextArgs {
    /// How texts become token ids.
    pub fn request(&self) -> Texts {
        Texts { tokenizer: self.tokenizer.clone(), max_length: self.max_length }
    }
}

impl LoadArgs {
    /// Whether an option was given that only images have; the batch size is not one.
    pub fn any(&self) -> bool {
        self.request().any()
    }

    /// How samples are chosen and read.
    pub fn request(&self) -> Loading {
        Loading {
            limit: self.limit,
            batch_size: self.batch_size,
            skip_unreadable: self.skip_unreadable,
            layout: self.layout,
            workers: self.workers,
        }
    }
}

impl PreprocessArgs {
    /// Whether any of the options was given.
    pub fn any(&self) -> bool {
        self.request().any()
    }

    /// What is done to the samples.
    pub fn request(&self) -> Preprocessing {
        Preprocessing {
            preset: self.preprocess,
            resize: self.resize,
            interpolation: self.interpolation,
            crop: self.crop,
            channels: self.channels,
            range: self.range,
            float_range: self.float_range,
            mean: self.mean.clone(),
            std: self.std.clone(),
        }
    }
}

impl PreprocessBArgs {
    /// Whether any of the options was given.
    pub fn any(&self) -> bool {
        self.request().any()
    }

    /// What is done to the samples for B.
    pub fn request(&self) -> Preprocessing {
        Preprocessing {
            preset: self.preprocess_b,
            resize: self.resize_b,
            interpolation: self.interpolation_b,
            crop: self.crop_b,
            channels: self.channels_b,
            range: self.range_b,
            float_range: None,
            mean: self.mean_b.clone(),
            std: self.std_b.clone(),
        }
    }
}

impl ModelArgs {
    /// How so many models are loaded and run.
    ///
    /// # Errors
    /// The options for weights do not go with that number of models, or with each other.
    pub fn request(&self, models: usize) -> Result<Running> {
        let mut weights = self.weights.of(models)?;
        if weights.iter().all(Option::is_none) {
            weights.clear();
        }
        let keys = [&self.output_key_a, &self.output_key_b];
        let output_keys = match keys {
            [None, None] => self.output_key.iter().cloned().map(Some).collect(),
            each => each.into_iter().cloned().collect(),
        };
        Ok(Running {
            device: self.device,
            threads: self.threads,
            optimize: !self.no_optimize,
            seed: self.seed,
            draw_seed: self.draw_seed,
            keep_state: self.keep_state,
            trust: self.trust_model || self.only_confined,
            held_by: sandbox::walls(),
            defaults: defaults::taken(),
            weights,
            inputs: self.input.clone(),
            dtype: self.dtype.map(FloatArg::request),
            precision: self.precision,
            output_keys,
            channel_axes: self.channel_axis.clone(),
        })
    }
}

impl FloatArg {
    fn request(self) -> FloatType {
        match self {
            Self::F32 => FloatType::F32,
            Self::F16 => FloatType::F16,
            Self::Bf16 => FloatType::Bf16,
            Self::F64 => FloatType::F64,
        }
    }
}
