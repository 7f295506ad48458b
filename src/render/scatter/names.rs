//! Names beside their points.

use crate::render::style::{MUTED, TEXT, WHITE};
use crate::render::svg::{self, Element, Rect};
use crate::render::text;

/// Font size of a name, and its height.
const SIZE: (f64, f64) = (9.5, 11.0);
/// How far from the point's edge a name may lie; beyond the first, a line leads to it.
const DISTANCES: [f64; 7] = [2.5, 14.0, 26.0, 40.0, 58.0, 80.0, 110.0];
/// What one more step of distance costs.
const FARTHER: f64 = 1.5;
/// How near another highlighted point may be before a reader could take the name for its own.
const DOUBT: f64 = 5.0;
/// What each such point costs, in the same measure.
const CONFUSING: f64 = 2.0;
/// The directions to look for room in, the best one first: right, left, up, down, then aslant.
const DIRECTIONS: [(f64, f64); 8] = [
    (1.0, 0.0),
    (-1.0, 0.0),
    (0.0, -1.0),
    (0.0, 1.0),
    (0.8, -0.8),
    (0.8, 0.8),
    (-0.8, -0.8),
    (-0.8, 0.8),
];
/// White around a name.
const AIR: f64 = 1.5;
/// Places along a line where it must not lie under a name.
const STEPS: usize = 12;

/// A name in its place.
pub(super) struct Name {
    text: String,
    /// What it takes up, without the white around.
    pub at: Rect,
    /// The line that leads to it, where it is not right beside its point.
    pub line: Option<[(f64, f64); 2]>,
}

impl Name {
    /// The name of a point of a radius, so far from it in a direction.
    fn new(text: &str, point: (f64, f64), radius: f64, way: (usize, (f64, f64))) -> Self {
        let (step, (right, down)) = way;
        let reach = radius + DISTANCES[step];
        let end = (point.0 + right * reach, point.1 + down * reach);
        let (width, height) = (text::width(text, SIZE.0), SIZE.1);
        let middle = (end.0 + shift(right, width), end.1 + shift(down, height));
        let at = Rect { x: middle.0 - width / 2.0, y: middle.1 - height / 2.0, width, height };
        let start = (point.0 + right * radius, point.1 + down * radius);
        Self { text: text.into(), at, line: (step > 0).then_some([start, end]) }
    }

    /// Points along the line.
    fn line_points(&self) -> impl Iterator<Item = (f64, f64)> {
        (0..=STEPS).flat_map(|step| {
            let share = step as f64 / STEPS as f64;
            self.line.map(|[from, to]| {
                (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share)
            })
        })
    }
}

/// How far the middle of a text lies from the end that its point is at.
fn shift(direction: f64, length: f64) -> f64 {
    if direction == 0.0 { 0.0 } else { direction.signum() * length / 2.0 }
}

/// Places names, the first ones first, where they lie in the plot and cover no point and no other name, near
/// their own point and away from other highlighted ones. Those without such a place are left out.
pub(super) fn place(
    named: Vec<((f64, f64), String)>,
    points: &[(f64, f64)],
    radius: f64,
    plot: Rect,
) -> Vec<Name> {
    let mut placed: Vec<Name> = Vec::new();
    for (point, text) in named.iter().filter(|(_, text)| !text.is_empty()) {
        let ways = (0..DISTANCES.len()).flat_map(|step| DIRECTIONS.map(|way| (step, way)));
        let names = ways.map(|way| (way.0, Name::new(text, *point, radius, way)));
        let is_free = |name: &Name| {
            let leaves_free = |other: (f64, f64)| {
                !covers(name.at, other, radius + AIR)
                    && (other == *point || !name.line_points().any(|at| is_near(at, other, radius)))
            };
            is_inside(name.at, plot)
                && !points.iter().any(|other| covers(name.at, *other, radius))
                && named.iter().all(|(other, _)| leaves_free(*other))
                && placed.iter().all(|other| are_apart(name, other))
        };
        let free = names.filter(|(_, name)| is_free(name));
        let cost = |step: usize, name: &Name| {
            let is_doubtful =
                |other: (f64, f64)| other != *point && covers(name.at, other, radius + DOUBT);
            let doubtful = named.iter().filter(|(other, _)| is_doubtful(*other)).count();
            FARTHER * step as f64 + CONFUSING * doubtful as f64
        };
        let costs = free.map(|(step, name)| (cost(step, &name), name));
        // The first of equally good ones is kept.
        placed.extend(costs.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name));
    }
    placed
}

fn is_inside(at: Rect, plot: Rect) -> bool {
    let plot = plot.inset(AIR);
    at.x >= plot.x && at.y >= plot.y && at.right() <= plot.right() && at.bottom() <= plot.bottom()
}

/// Whether a name lies on a disc.
fn covers(at: Rect, (x, y): (f64, f64), radius: f64) -> bool {
    let (near_x, near_y) = (x.clamp(at.x, at.right()), y.clamp(at.y, at.bottom()));
    (x - near_x).hypot(y - near_y) < radius
}

/// Whether two points are closer than a radius.
fn is_near(a: (f64, f64), b: (f64, f64), radius: f64) -> bool {
    (a.0 - b.0).hypot(a.1 - b.1) < radius
}

/// Whether neither name lies on the other one or on its line.
fn are_apart(name: &Name, other: &Name) -> bool {
    let (a, b) = (name.at, other.at);
    let is_beside = a.right() + AIR <= b.x || b.right() + AIR <= a.x;
    let is_above = a.bottom() + AIR <= b.y || b.bottom() + AIR <= a.y;
    (is_beside || is_above)
        && name.line_points().all(|point| !covers(b, point, AIR))
        && other.line_points().all(|point| !covers(a, point, AIR))
}

/// Draws names with a white rim, so that they are read over points too.
pub(super) fn draw(names: &[Name]) -> Element {
    let lines = svg::lines(names.iter().filter_map(|name| name.line)).stroke(MUTED, 0.7);
    let texts = names.iter().map(|name| {
        svg::label(name.at.x, name.at.centre().1, SIZE.0, &name.text)
            .stroke(WHITE, 2.5)
            .attr("stroke-linejoin", "round")
            .attr("paint-order", "stroke")
    });
    let texts = svg::group().fill(TEXT).children(texts);
    svg::group().attr("pointer-events", "none").child(lines).child(texts)
}
