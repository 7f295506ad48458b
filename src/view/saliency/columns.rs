//! What columns of maps are called.

use crate::report::saliency::ColumnInfo;
use crate::saliency::Method;

/// The method of all columns, where it is the same.
pub fn shared_method(columns: &[ColumnInfo]) -> Option<Method> {
    let first = columns.first()?.method;
    columns.iter().all(|column| column.method == first).then_some(first)
}

/// Headings of a picture's columns: the model of each, and what the map is called beside that. No
/// models where there is one, or one map each, which is called after the model then.
pub fn grouped(columns: &[ColumnInfo]) -> (Vec<String>, Vec<String>) {
    let models = columns.last().map_or(0, |column| column.model + 1);
    if models < 2 || columns.len() == models {
        return (vec![], headings(columns));
    }
    let part = |column: &ColumnInfo| {
        let (model, map) = column.name.split_once('/').unwrap_or(("", &column.name));
        (model.to_owned(), map.to_owned())
    };
    columns.iter().map(part).unzip()
}

/// Names of the columns, without the method where the columns of several models share it.
pub fn headings(columns: &[ColumnInfo]) -> Vec<String> {
    let shared = shared_method(columns).map(|method| method.to_string());
    let heading = |column: &ColumnInfo| {
        let mut parts: Vec<&str> = column.name.split('/').collect();
        let method = parts.iter().rposition(|part| Some(*part) == shared.as_deref());
        if let (Some(place), true) = (method, parts.len() > 1) {
            parts.remove(place);
        }
        parts.join("/")
    };
    columns.iter().map(heading).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[(&str, usize, Method)]) -> Vec<ColumnInfo> {
        let column = |&(name, model, method): &(&str, usize, Method)| ColumnInfo {
            name: name.to_owned(),
            model,
            method,
            layer: None,
            grid: None,
        };
        names.iter().map(column).collect()
    }

    #[test]
    fn columns_of_several_models_are_grouped() {
        let (cam, gradient) = (Method::GradCam, Method::Gradient);
        let one = columns(&[("gradcam", 0, cam), ("gradient", 0, gradient)]);
        let none: [&str; 0] = [];
        let (groups, names) = grouped(&one);
        assert_eq!(
            (groups.as_slice(), names.as_slice()),
            (&[][..], &["gradcam".to_owned(), "gradient".to_owned()][..])
        );
        let (groups, names) = grouped(&columns(&[("a/gradcam", 0, cam), ("b/gradcam", 1, cam)]));
        assert_eq!(groups, none);
        assert_eq!(names, ["a", "b"]);
        let both = [
            ("a/gradcam", 0, cam),
            ("a/gradient", 0, gradient),
            ("b/gradcam", 1, cam),
            ("b/gradient", 1, gradient),
        ];
        let (groups, names) = grouped(&columns(&both));
        assert_eq!(groups, ["a", "a", "b", "b"]);
        assert_eq!(names, ["gradcam", "gradient", "gradcam", "gradient"]);
    }

    #[test]
    fn headings_leave_out_what_all_share() {
        let (cam, gradient) = (Method::GradCam, Method::Gradient);
        let layers = [("gradcam/layer3", 0, cam), ("gradcam/layer4", 0, cam)];
        assert_eq!(headings(&columns(&layers)), ["layer3", "layer4"]);
        assert_eq!(
            headings(&columns(&[("a/gradcam/x", 0, cam), ("b/gradcam/y", 1, cam)])),
            ["a/x", "b/y"]
        );
        assert_eq!(
            headings(&columns(&[("gradcam", 0, cam), ("gradient", 0, gradient)])),
            ["gradcam", "gradient"]
        );
        assert_eq!(headings(&columns(&[("gradcam", 0, cam)])), ["gradcam"]);
    }
}
