//! From cells to the report.

use ndarray::Array2;

use super::cautions;
use super::nulls::{self, no_chance, no_values, nothing};
use crate::analysis::session::notices::{Absent, of_absent_layers};
use crate::capture::represent::Captured;
use crate::error::Result;
use crate::report::compare::{
    BestMatch, COMPRESSED, CompareResults, LayerResult, MeasureFacts, MeasureResult,
};
use crate::report::distance::NullValue;
use crate::report::{Number, Warning};
use crate::similarity::layer::{Alone, Sparsity};
use crate::similarity::{
    Absence, Cell, Facts, Matrix, Measure, Plan, Reduction, Representation, Table, each,
};
use crate::view::names::{counted, few, listed};

/// The layers of one side, each looked at alone and then reduced, where that was asked for.
pub struct Layers {
    /// What is measured of each, or why it cannot be.
    pub made: Vec<Result<Representation, String>>,
    widths: Vec<usize>,
    alone: Vec<Option<Alone>>,
    sparsity: Vec<Sparsity>,
    /// Components and the share of the variance that they hold.
    kept: Vec<Option<(usize, f64)>>,
}

impl Layers {
    /// Looks at each layer alone and reduces it.
    pub fn of(
        captured: Vec<Captured>,
        labels: Option<&[usize]>,
        components: Option<usize>,
        threads: usize,
    ) -> Self {
        let widths = captured.iter().map(|c| c.width).collect();
        let sparsity = captured.iter().map(|c| c.sparsity).collect();
        let made: Vec<_> = captured.into_iter().map(|c| c.found).collect();
        let look = |layer: &Result<Representation, String>| {
            let layer = layer.as_ref().ok()?;
            let reduced = components.map(|k| layer.reduced(k));
            Some((Alone::of(layer, labels), reduced))
        };
        let mut side = Self {
            widths,
            sparsity,
            alone: vec![],
            kept: vec![],
            made: Vec::with_capacity(made.len()),
        };
        let looked = each(&made, threads, look, &mut || ());
        for (layer, found) in made.into_iter().zip(looked) {
            side.push(layer, found);
        }
        side
    }

    fn push(
        &mut self,
        layer: Result<Representation, String>,
        found: Option<(Alone, Option<Result<Reduction, Absence>>)>,
    ) {
        let (alone, reduced) =
            found.map_or((None, None), |(alone, reduced)| (Some(alone), reduced));
        self.alone.push(alone);
        let (made, kept) = match reduced {
            None => (layer, None),
            Some(Err(why)) => (Err(why.to_string()), None),
            Some(Ok(found)) => (Ok(found.representation), Some((found.components, found.variance))),
        };
        self.made.push(made);
        self.kept.push(kept);
    }

    fn result(&self, model: &str, i: usize, name: &str, samples: &[String]) -> LayerResult {
        let alone = self.alone[i].as_ref();
        let mut nulls = vec![];
        let mut number = |field: &str, value: Option<Result<f64, Absence>>| {
            let why = match value {
                Some(Ok(value)) => return Number::from(value),
                Some(Err(why)) => why.of_samples(samples),
                None if field == "class_separation" && alone.is_some() => {
                    "the classes of the samples are not known".to_owned()
                }
                None => self.made[i].as_ref().err().cloned().unwrap_or_default(),
            };
            nulls.push(NullValue { field: field.to_owned(), reason: why });
            Number::from(None)
        };
        let of = |take: fn(&Alone) -> Result<f64, Absence>| alone.map(take);
        let ratio = number("participation_ratio", of(|a| a.participation_ratio));
        let sound = alone.is_some();
        let result = LayerResult {
            model: model.to_owned(),
            name: name.to_owned(),
            width: self.widths[i],
            components: self.kept[i].map(|(count, _)| count),
            variance_kept: self.kept[i].map(|(_, share)| share),
            effective_rank: number("effective_rank", of(|a| a.effective_rank)),
            participation_ratio: ratio,
            intrinsic_dimension: number("intrinsic_dimension", of(|a| a.intrinsic_dimension)),
            zeros: number("zeros", sound.then(|| self.sparsity[i].zeros())),
            sparseness: number("sparseness", sound.then(|| self.sparsity[i].hoyer())),
            class_separation: number("class_separation", alone.and_then(|a| a.class_separation)),
            compressed: ratio.get().is_some_and(|ratio| ratio < COMPRESSED),
            nulls: vec![],
        };
        LayerResult { nulls, ..result }
    }
}

/// All that was measured.
pub struct Compared<'a> {
    /// One side, or two.
    pub sides: &'a [Layers],
    /// Names of their layers.
    pub names: &'a [Vec<String>],
    /// Names of the samples.
    pub samples: &'a [String],
    /// What the sides are called; empty where the layers' names say all.
    pub models: [&'static str; 2],
    /// What was measured of each pair.
    pub cells: &'a Table,
    /// How.
    pub plan: &'a Plan,
}

impl Compared<'_> {
    /// The results, and what has to be said of them.
    ///
    /// # Errors
    /// No measure has a single value.
    pub fn results(&self) -> Result<(CompareResults, Vec<Warning>)> {
        let measures: Vec<MeasureResult> =
            self.plan.measures.iter().zip(self.cells).map(|(m, c)| self.measure(*m, c)).collect();
        let any = |m: &MeasureResult| m.values.iter().flatten().any(|v| v.get().is_some());
        if !measures.iter().any(any) {
            return Err(nothing(&measures));
        }
        let layers = self.layers();
        let mut warnings = self.null_layers();
        warnings.extend(no_values(&measures));
        warnings.extend(self.forced());
        let made: Vec<&Representation> =
            self.sides.iter().flat_map(|side| side.made.iter().flatten()).collect();
        warnings.extend(cautions::biased(&self.plan.measures, &made, self.plan.halves > 0));
        warnings.extend(no_chance(&measures));
        warnings.extend(compressed(&layers));
        let (layers_a, layers_b) = (self.names[0].clone(), self.names_b().to_vec());
        let n = self.samples.len();
        Ok((CompareResults { layers_a, layers_b, n, measures, outputs: None, layers }, warnings))
    }

    pub(super) fn names_b(&self) -> &[String] {
        &self.names[self.names.len() - 1]
    }

    fn is_alone(&self) -> bool {
        self.sides.len() < 2
    }

    fn layers(&self) -> Vec<LayerResult> {
        let mut all = vec![];
        for ((side, names), model) in self.sides.iter().zip(self.names).zip(self.models) {
            let of = |(i, name): (usize, &String)| side.result(model, i, name, self.samples);
            all.extend(names.iter().enumerate().map(of));
        }
        all
    }

    fn measure(&self, measure: Measure, cells: &Array2<Option<Cell>>) -> MeasureResult {
        let facts = measure.facts();
        let numbers = |of: &dyn Fn(&Cell) -> Option<f64>| rows(cells, |c| Number::from(of(c)));
        let permuted = self.plan.permutations > 0;
        let ends = |cell: &Cell| match cell.interval {
            Some(Ok((low, high))) => [low.into(), high.into()],
            _ => [Number::from(None), Number::from(None)],
        };
        let null = |c: &Cell| c.null.and_then(Result::ok);
        MeasureResult {
            name: facts.name.to_owned(),
            facts: MeasureFacts::of(measure, &self.plan.options),
            values: numbers(&|c| c.value.ok()),
            p_values: permuted.then(|| numbers(&|c| null(c).map(|null| null.p))),
            calibrated: permuted.then(|| numbers(&|c| null(c).and_then(|null| null.calibrated))),
            null_means: permuted.then(|| numbers(&|c| null(c).map(|null| null.mean))),
            intervals: (self.plan.halves > 0).then(|| {
                let none = [Number::from(None), Number::from(None)];
                let row = |row: ndarray::ArrayView1<'_, Option<Cell>>| {
                    row.iter().map(|c| c.as_ref().map_or(none, ends)).collect()
                };
                cells.rows().into_iter().map(row).collect()
            }),
            best_matches: self.best_matches(facts, cells),
            nulls: nulls::of(self, cells),
        }
    }

    /// The most alike in each row, of a model with itself beside the layer itself.
    fn best_matches(&self, facts: &Facts, cells: &Array2<Option<Cell>>) -> Vec<Option<BestMatch>> {
        let (names_a, names_b) = (&self.names[0], self.names_b());
        let values = cells.map(|cell| cell.as_ref()?.value.ok());
        let larger_is_more_alike = facts.larger_is_more_alike;
        let (values, apart) = (&values, self.is_alone());
        let matrix = Matrix { values, names_a, names_b, larger_is_more_alike, apart };
        let named = |(i, best): (usize, Option<(usize, f64)>)| {
            let (j, value) = best?;
            let (layer_a, layer_b) = (names_a[i].clone(), names_b[j].clone());
            Some(BestMatch { layer_a, layer_b, value })
        };
        matrix.best_matches().into_iter().enumerate().map(named).collect()
    }

    /// Layers that could not be measured at all.
    fn null_layers(&self) -> Vec<Warning> {
        let sides = self.sides.iter().zip(self.names).zip(self.models);
        let absent = sides.flat_map(|((side, names), model)| {
            let why = |made: &Result<_, String>| made.as_ref().err().cloned();
            let layers = side.made.iter().zip(names);
            layers.filter_map(move |(made, layer)| Some(Absent { model, layer, why: why(made)? }))
        });
        of_absent_layers(absent)
    }

    /// Measures of canonical correlations of which some are 1 whatever the data: one warning each.
    fn forced(&self) -> Vec<Warning> {
        let canonical =
            |m: &&Measure| matches!(m, Measure::CcaR2 | Measure::Pwcca | Measure::Svcca);
        let measures = self.plan.measures.iter().filter(canonical);
        measures.filter_map(|m| forced(*m, self.pairs_where(&|a, b| is_forced(*m, a, b)))).collect()
    }

    /// How many pairs of different layers are so.
    fn pairs_where(&self, so: &dyn Fn(&Representation, &Representation) -> bool) -> usize {
        let last = &self.sides[self.sides.len() - 1];
        let pairs = self.sides[0].made.iter().flat_map(|a| last.made.iter().map(move |b| (a, b)));
        let both = |(a, b): &(&Result<Representation, _>, &Result<Representation, _>)| match (a, b)
        {
            (Ok(a), Ok(b)) => !std::ptr::eq(a, b) && so(a, b),
            _ => false,
        };
        pairs.filter(both).count()
    }
}

/// Whether two layers that are not refused keep more directions together than their samples have.
fn is_forced(measure: Measure, a: &Representation, b: &Representation) -> bool {
    let directions = |layer: &Representation| measure.directions(layer).unwrap_or(0);
    let (one, two, most) = (directions(a), directions(b), a.samples() - 1);
    one < most && two < most && one + two > most
}

fn forced(measure: Measure, count: usize) -> Option<Warning> {
    let text = format!(
        "{measure}: in {} the layers together keep more directions than the samples have, \
         and some correlations are 1 whatever the data; --permutations tells how much that is worth, \
         --pca K or more samples avoid it",
        counted(count, "pair")
    );
    (count > 0).then(|| Warning::new("forced-correlations", measure, text))
}

fn rows(cells: &Array2<Option<Cell>>, of: impl Fn(&Cell) -> Number) -> Vec<Vec<Number>> {
    let one = |cell: &Option<Cell>| cell.as_ref().map_or(Number::from(None), &of);
    cells.rows().into_iter().map(|row| row.iter().map(one).collect()).collect()
}

/// Layers that few directions hold.
fn compressed(layers: &[LayerResult]) -> Option<Warning> {
    let named = |l: &LayerResult| match l.model.as_str() {
        "" => l.name.clone(),
        model => format!("{} of {model}", l.name),
    };
    let names: Vec<String> = layers.iter().filter(|l| l.compressed).map(named).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let what = if layers.iter().any(|l| l.model.is_empty()) { "model" } else { "layer" };
    let text = format!(
        "{}: fewer than {COMPRESSED} directions hold most of the variance (participation ratio), and \
         every measure is about those alone; similar values may say little",
        few(what, &names)
    );
    (!names.is_empty()).then(|| Warning::new("compressed-layers", listed(&names), text))
}
