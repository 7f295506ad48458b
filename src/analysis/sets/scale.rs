//! Sets of images on different scales.

use std::path::Path;

use crate::report::Warning;

/// What the images of the sets so far hold.
#[derive(Default)]
pub(super) struct Scale {
    /// The first set in 0…1, which bytes are brought to.
    unit: Option<String>,
    /// The first set of floats outside 0…1 that are taken as they are, and their ends.
    beyond: Option<(String, [f32; 2])>,
    told: bool,
}

impl Scale {
    /// Takes in a set, and the ends of its floats where they are taken as they are outside 0…1; warns of the
    /// first set that is on another scale than those before it.
    pub(super) fn add(&mut self, path: &Path, beyond: Option<[f32; 2]>) -> Option<Warning> {
        let path = path.display().to_string();
        match beyond {
            Some(ends) => drop(self.beyond.get_or_insert((path.clone(), ends))),
            None => drop(self.unit.get_or_insert(path.clone())),
        }
        let (unit, (normalised, [least, most])) = self.unit.as_ref().zip(self.beyond.as_ref())?;
        if std::mem::replace(&mut self.told, true) {
            return None;
        }
        let text = format!(
            "{normalised} holds floats from {least} to {most}, which are taken as they are (normalised \
             already), and {unit} is in 0..1, as bytes are brought to: distances are between scales; \
             normalise both alike, or give the first in 0..1"
        );
        Some(Warning::new("other-scale", path, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_set_on_another_scale_is_told_once() {
        let mut scale = Scale::default();
        let mut add = |name: &str, beyond| scale.add(Path::new(name), beyond).map(|w| w.place);
        assert_eq!(add("a", Some([-2.0, 2.5])), None);
        assert_eq!(add("b", Some([-1.0, 3.0])), None);
        assert_eq!(add("c", None), Some("c".to_owned()));
        assert_eq!(add("d", None), None);
    }
}
