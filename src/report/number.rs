//! Numbers in JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A finite number, or `null`: JSON has no NaN.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Number(Option<f64>);

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self(Some(value).filter(|v| v.is_finite()))
    }
}

impl From<Option<f64>> for Number {
    fn from(value: Option<f64>) -> Self {
        Self(value.filter(|v| v.is_finite()))
    }
}

impl Number {
    /// The number, if there is one.
    pub fn get(self) -> Option<f64> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_is_null() {
        let json = serde_json::to_string(&[1.5.into(), f64::NAN.into(), Number::from(None)]);
        assert_eq!(json.ok().as_deref(), Some("[1.5,null,null]"));
    }
}
