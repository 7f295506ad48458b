//! Layers whose positions lie in the image: feature maps, and tokens that fold back to a grid.

use std::fmt;
use std::str::FromStr;

use tch::Tensor;

use super::layers::Layer;
use super::model::shape_text;

/// Rows and columns of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Rows.
    pub rows: i64,
    /// Columns.
    pub columns: i64,
}

impl FromStr for Grid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |text: &str| text.trim().parse::<i64>().ok().filter(|side| *side > 0);
        let sides = text.split_once(['x', '×']);
        match sides.and_then(|(rows, columns)| side(rows).zip(side(columns))) {
            Some((rows, columns)) => Ok(Self { rows, columns }),
            None => Err("expected ROWSxCOLUMNS, such as 14x14".to_owned()),
        }
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.columns)
    }
}

/// What tokens are folded by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folding {
    /// Rows and columns of the image.
    pub image: Grid,
    /// The grid that was asked for.
    pub asked: Option<Grid>,
}

impl Folding {
    /// For a network's input N×C×H×W.
    pub fn of(input: &Tensor, asked: Option<Grid>) -> Self {
        let side = |axis: usize| input.size().get(axis).copied().unwrap_or(1).max(1);
        Self { image: Grid { rows: side(2), columns: side(3) }, asked }
    }
}

/// How the output of a layer is seen as feature maps N×C×H×W.
///
/// A layer with two axes of positions has them already. Tokens N×T×D fold row by row to H×W of the
/// proportions of the image, after the class tokens in front of them, which have no place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapView {
    /// H and W.
    pub grid: Grid,
    /// Tokens in front that are left out.
    pub left_out: i64,
}

/// Why a layer has no feature maps: the end of a sentence that begins with the layer, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoMap {
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl MapView {
    /// Of a layer, by the axes its output has.
    ///
    /// # Errors
    /// It has no two axes of positions and no tokens that fold to a grid, or not to the one asked for.
    pub fn of(layer: &Layer, folding: &Folding) -> Result<Self, NoMap> {
        let shape = layer.canonical_shape();
        match shape[..] {
            [_, _, rows, columns] if rows * columns > 1 => {
                of_maps(Grid { rows, columns }, folding.asked)
            }
            [_, channels, count] if gives_tokens(layer) => {
                let tokens = Tokens { count, class_tokens: layer.axes.class_tokens };
                tokens.fold(folding).ok_or_else(|| tokens.refusal(channels, folding.asked))
            }
            [_, channels, count] => of_row(channels, count, folding.asked),
            _ => Err(NoMap {
                problem: format!(
                    "gives {} a sample: no spatial map",
                    shape_text(&layer.sample_shape())
                ),
                remedy: "choose another layer; `repsim layers` lists them".to_owned(),
            }),
        }
    }

    /// The maps N×C×H×W of an output N×C×positions ([`Axes::canonical`](super::Axes::canonical)),
    /// without a copy.
    pub fn maps(&self, output: &Tensor) -> Tensor {
        match output.dim() {
            3 => {
                let Grid { rows, columns } = self.grid;
                output.narrow(2, self.left_out, rows * columns).unflatten(2, [rows, columns])
            }
            _ => output.shallow_clone(),
        }
    }
}

/// Whether a layer gives tokens: a row of positions each with its channels, or one behind class tokens.
pub fn gives_tokens(layer: &Layer) -> bool {
    let is_last = layer.axes.channels == Some(2);
    layer.shape.len() == 3 && (is_last || layer.axes.class_tokens.is_some_and(|front| front > 0))
}

/// Maps that have their grid.
fn of_maps(grid: Grid, asked: Option<Grid>) -> Result<MapView, NoMap> {
    match asked.filter(|asked| *asked != grid) {
        None => Ok(MapView { grid, left_out: 0 }),
        Some(asked) => Err(NoMap {
            problem: format!("has {grid} positions, and --grid {asked} is for tokens"),
            remedy: "leave --grid out, or name layers that give tokens".to_owned(),
        }),
    }
}

/// Channels at positions in a row, which fold only where a grid was asked for.
fn of_row(channels: i64, count: i64, asked: Option<Grid>) -> Result<MapView, NoMap> {
    match asked.filter(|asked| asked.rows * asked.columns == count) {
        Some(grid) => Ok(MapView { grid, left_out: 0 }),
        None => Err(NoMap {
            problem: format!(
                "gives {channels} channels at {count} positions in a row: no spatial map"
            ),
            remedy: format!(
                "choose a layer with rows and columns, or say with --grid how the positions lie \
                 ({} fit)",
                fitting(count)
            ),
        }),
    }
}

/// The tokens of a sample.
struct Tokens {
    count: i64,
    /// How many stand in front for the whole image, where the graph shows it.
    class_tokens: Option<usize>,
}

impl Tokens {
    /// How many may stand in front of the patches, the likelier first. A class token that has attended
    /// to the image cannot be distinguished from others.
    fn in_front(&self) -> Vec<i64> {
        match self.class_tokens {
            None | Some(0) => vec![0, 1],
            Some(known) => vec![known as i64],
        }
    }

    fn fold(&self, folding: &Folding) -> Option<MapView> {
        let fits = |left_out: i64| {
            let patches = self.count - left_out;
            let grid = match folding.asked {
                Some(asked) => Some(asked).filter(|g| g.rows * g.columns == patches),
                None => proportional(patches, folding.image),
            };
            Some(MapView { grid: grid?, left_out })
        };
        self.in_front().into_iter().find_map(fits)
    }

    fn refusal(&self, channels: i64, asked: Option<Grid>) -> NoMap {
        let count = self.count;
        let patches = self.in_front().into_iter().map(|front| count - front);
        let in_front = match self.class_tokens {
            Some(0) | None => String::new(),
            Some(front) => {
                let plural = if front == 1 { "" } else { "s" };
                format!(" ({front} class token{plural} and {} patches)", count - front as i64)
            }
        };
        let why = match asked {
            Some(asked) => format!("--grid {asked} does not fit them"),
            None => "they fold to no grid of the image's proportions".to_owned(),
        };
        let fit: Vec<String> = patches.filter(|n| *n > 0).map(fitting).collect();
        NoMap {
            problem: format!("gives {count} tokens of {channels} features{in_front}: {why}"),
            remedy: format!(
                "say with --grid ROWSxCOLUMNS how they lie ({} fit), or choose another layer",
                fit.join("; or ")
            ),
        }
    }
}

/// The grid of so many positions whose sides are to each other as those of the image.
fn proportional(count: i64, image: Grid) -> Option<Grid> {
    let shared = gcd(image.rows, image.columns);
    let (rows, columns) = (image.rows / shared, image.columns / shared);
    let factor = ((count as f64) / (rows * columns) as f64).sqrt().round() as i64;
    let fits = factor > 0 && count > 1 && factor * factor * rows * columns == count;
    fits.then_some(Grid { rows: factor * rows, columns: factor * columns })
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The grids of so many positions, the squarest first.
fn fitting(count: i64) -> String {
    const LISTED: usize = 3;
    let rows = (1..=count).take_while(|rows| rows * rows <= count).filter(|r| count % r == 0);
    let grids: Vec<Grid> = rows.map(|rows| Grid { rows, columns: count / rows }).collect();
    let texts: Vec<String> = grids.iter().rev().take(LISTED).map(Grid::to_string).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(count: i64, class_tokens: Option<usize>) -> Tokens {
        Tokens { count, class_tokens }
    }

    fn folding(rows: i64, columns: i64, asked: Option<&str>) -> Folding {
        let asked = asked.and_then(|text| text.parse().ok());
        Folding { image: Grid { rows, columns }, asked }
    }

    fn view(rows: i64, columns: i64, left_out: i64) -> Option<MapView> {
        Some(MapView { grid: Grid { rows, columns }, left_out })
    }

    #[test]
    fn tokens_fold_to_the_proportions_of_the_image() {
        let square = folding(224, 224, None);
        assert_eq!(tokens(197, Some(1)).fold(&square), view(14, 14, 1));
        assert_eq!(tokens(197, None).fold(&square), view(14, 14, 1));
        assert_eq!(tokens(196, None).fold(&square), view(14, 14, 0));
        assert_eq!(tokens(197, Some(0)).fold(&square), view(14, 14, 1));
        assert_eq!(tokens(198, Some(2)).fold(&square), view(14, 14, 2));
        assert_eq!(tokens(196, Some(1)).fold(&square), None);
        assert_eq!(tokens(64, Some(0)).fold(&folding(16, 64, None)), view(4, 16, 0));
        assert_eq!(tokens(24, None).fold(&folding(16, 24, None)), view(4, 6, 0));
        assert_eq!(tokens(1, None).fold(&square), None);
    }

    #[test]
    fn a_grid_asked_for_has_to_fit() {
        let asked = |text| folding(224, 224, Some(text));
        assert_eq!(tokens(25, Some(1)).fold(&asked("4x6")), view(4, 6, 1));
        assert_eq!(tokens(25, None).fold(&asked("4x6")), view(4, 6, 1));
        assert_eq!(tokens(25, Some(1)).fold(&asked("5x5")), None);
        let said = tokens(25, Some(1)).refusal(8, asked("5x5").asked);
        assert_eq!(
            said.problem,
            "gives 25 tokens of 8 features (1 class token and 24 patches): --grid 5x5 does not fit them"
        );
        assert!(said.remedy.contains("(4x6, 3x8, 2x12 fit)"), "{}", said.remedy);
    }

    #[test]
    fn grids_are_rows_by_columns() {
        assert_eq!("14x7".parse(), Ok(Grid { rows: 14, columns: 7 }));
        for text in ["", "14", "0x7", "-1x7", "axb", "7x7x7"] {
            assert!(text.parse::<Grid>().is_err(), "{text}");
        }
    }

    #[test]
    fn maps_are_folded_row_by_row() {
        let tokens = Tensor::arange(14, tch::kind::FLOAT_CPU).reshape([1, 7, 2]).transpose(1, 2);
        let view = MapView { grid: Grid { rows: 2, columns: 3 }, left_out: 1 };
        let maps = view.maps(&tokens);
        assert_eq!(maps.size(), [1, 2, 2, 3]);
        assert_eq!(maps.data_ptr(), tokens.narrow(2, 1, 6).data_ptr());
        assert_eq!(maps.double_value(&[0, 1, 1, 0]), 9.0);
    }
}
