//! The methods by name.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::did_you_mean;

/// How a saliency map is made. S is the score explained, x the input, A the output of a layer.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// ∂S/∂x (Simonyan, Vedaldi & Zisserman 2014): how the score changes with each pixel.
    Gradient,
    /// x · ∂S/∂x (Shrikumar et al. 2016), summed over channels.
    #[serde(rename = "gradient-x-input")]
    GradientTimesInput,
    /// The gradient averaged over noisy copies of the image (Smilkov et al. 2017).
    #[serde(rename = "smoothgrad")]
    SmoothGrad,
    /// (x − x₀) · ∫₀¹ ∂S/∂x(x₀ + t(x − x₀)) dt (Sundararajan, Taly & Yan 2017), summed over channels.
    IntegratedGradients,
    /// ReLU(Σₖ wₖAₖ), wₖ the mean of ∂S/∂Aₖ (Selvaraju et al. 2017).
    #[serde(rename = "gradcam")]
    GradCam,
    /// ReLU(Σₖ ∂S/∂Aₖ · Aₖ) (Draelos & Carin 2020).
    #[serde(rename = "hirescam")]
    HiResCam,
    /// ReLU(Σₖ ReLU(∂S/∂Aₖ) · Aₖ) (Jiang et al. 2021).
    #[serde(rename = "layercam")]
    LayerCam,
    /// Grad-CAM with weights Σ α·ReLU(∂S/∂Aₖ) (Chattopadhay et al. 2018).
    #[serde(rename = "gradcam++")]
    GradCamPlusPlus,
    /// Grad-CAM with weights Σ (∂S/∂Aₖ · Aₖ)/ΣAₖ (Fu et al. 2020).
    #[serde(rename = "xgradcam")]
    XGradCam,
    /// The activations at each position along their first principal component, which knows of no class (Muhammad &
    /// Yeasin 2020).
    #[serde(rename = "eigencam")]
    EigenCam,
    /// ReLU(Σₖ wₖAₖ), wₖ the softmax over channels of the score of the input masked by Aₖ (Wang et al. 2020).
    #[serde(rename = "scorecam")]
    ScoreCam,
    /// ReLU(Σₖ wₖAₖ), wₖ the share of the score that is lost without Aₖ (Desai & Ramaswamy 2020).
    #[serde(rename = "ablationcam")]
    AblationCam,
    /// The fall of the score where a window over a pixel is filled in (Zeiler & Fergus 2014),
    /// averaged over the windows that hold the pixel.
    Occlusion,
    /// The mean of (x + ε − x₀) · ∂S/∂x(x₀ + t(x + ε − x₀)) over random t and noise ε, summed over channels (Lundberg &
    /// Lee 2017).
    GradientShap,
    /// The coefficients of a sparse linear model of the score, of images of which random patches are filled in
    /// (Ribeiro, Singh & Guestrin 2016).
    Lime,
    /// The Shapley values of patches, by a weighted regression over images of which some are filled in (Lundberg & Lee
    /// 2017).
    KernelShap,
}

/// All methods, with their names.
const NAMES: [(&str, Method); 16] = [
    ("gradient", Method::Gradient),
    ("gradient-x-input", Method::GradientTimesInput),
    ("smoothgrad", Method::SmoothGrad),
    ("integrated-gradients", Method::IntegratedGradients),
    ("gradcam", Method::GradCam),
    ("hirescam", Method::HiResCam),
    ("layercam", Method::LayerCam),
    ("gradcam++", Method::GradCamPlusPlus),
    ("xgradcam", Method::XGradCam),
    ("eigencam", Method::EigenCam),
    ("scorecam", Method::ScoreCam),
    ("ablationcam", Method::AblationCam),
    ("occlusion", Method::Occlusion),
    ("gradient-shap", Method::GradientShap),
    ("lime", Method::Lime),
    ("kernel-shap", Method::KernelShap),
];

impl Method {
    /// Whether it looks at a layer and not at the input.
    pub fn is_cam(self) -> bool {
        matches!(
            self,
            Self::GradCam
                | Self::HiResCam
                | Self::LayerCam
                | Self::GradCamPlusPlus
                | Self::XGradCam
                | Self::EigenCam
                | Self::ScoreCam
                | Self::AblationCam
        )
    }

    /// Whether a map can have negative values that mean something.
    pub fn is_signed(self) -> bool {
        matches!(
            self,
            Self::GradientTimesInput
                | Self::IntegratedGradients
                | Self::GradientShap
                | Self::Occlusion
                | Self::Lime
                | Self::KernelShap
        )
    }

    /// Whether it fills in random patches.
    pub fn fills_patches(self) -> bool {
        matches!(self, Self::Lime | Self::KernelShap)
    }

    /// Whether it changes the values of its input, which token ids do not take.
    pub fn changes_values(self) -> bool {
        matches!(
            self,
            Self::SmoothGrad
                | Self::IntegratedGradients
                | Self::GradientShap
                | Self::ScoreCam
                | Self::Occlusion
        ) || self.fills_patches()
    }

    /// The names there are.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = NAMES.iter().find(|(name, _)| *name == text);
        found
            .map(|(_, method)| *method)
            .ok_or_else(|| did_you_mean(text, &Self::names().collect::<Vec<_>>()))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = NAMES.iter().find(|(_, method)| method == self);
        f.write_str(found.map_or("", |(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_reports() -> Result<(), serde_json::Error> {
        for name in Method::names() {
            let method: Method = serde_json::from_value(name.into())?;
            assert_eq!((method.to_string().as_str(), name.parse()), (name, Ok(method)));
        }
        Ok(())
    }

    #[test]
    fn a_wrong_name_gets_the_nearest() {
        let said = "grad-cam".parse::<Method>();
        assert!(said.is_err_and(|text| text.starts_with("did you mean gradcam")));
    }
}
