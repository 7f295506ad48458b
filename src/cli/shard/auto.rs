//! Which shard this is, by what whoever started the process puts into the environment.

use crate::analysis::Shard;
use crate::error::{Error, Result};

/// Variables of one kind of scheduler or launcher.
struct Kind {
    name: &'static str,
    index: &'static str,
    count: &'static str,
    /// The index of the first, where it need not be 0.
    first: Option<&'static str>,
    /// How far the indices are apart, where that need not be 1.
    step: Option<&'static str>,
}

const fn kind(name: &'static str, index: &'static str, count: &'static str) -> Kind {
    Kind { name, index, count, first: None, step: None }
}

/// The number of shards of a Kubernetes job, which its manifest has to say: the number of completions is in none of
/// the variables that Kubernetes sets.
const SHARDS: &str = "REPSIM_SHARDS";

const KINDS: [Kind; 7] = [
    Kind {
        first: Some("SLURM_ARRAY_TASK_MIN"),
        step: Some("SLURM_ARRAY_TASK_STEP"),
        ..kind("an array of SLURM", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT")
    },
    kind("tasks of SLURM", "SLURM_PROCID", "SLURM_NTASKS"),
    kind("torchrun", "RANK", "WORLD_SIZE"),
    kind("Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    kind("PMI", "PMI_RANK", "PMI_SIZE"),
    kind("Kubernetes", "JOB_COMPLETION_INDEX", SHARDS),
    kind("AWS Batch", "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"),
];

/// The shard that the environment says.
///
/// # Errors
/// It says none, or several, or a number is none.
pub(super) fn shard(variable: &dyn Fn(&str) -> Option<String>) -> Result<Shard> {
    let (mut found, mut lacks): (Vec<(&str, Shard)>, _) = (vec![], None);
    for kind in &KINDS {
        match kind.shard(variable)? {
            Told::Whole(shard) => found.push((kind.name, shard)),
            Told::WithoutCount => lacks = lacks.or(Some(kind)),
            Told::Nothing => {}
        }
    }
    // One task of one is what launchers say of a process that they do not divide.
    if found.iter().any(|(_, shard)| shard.count > 1) {
        found.retain(|(_, shard)| shard.count > 1);
    }
    let remedy = "give --shard I/N";
    if let (true, Some(kind)) = (found.is_empty(), lacks) {
        let problem = format!("--shard auto: {} is set, and {} is not", kind.index, kind.count);
        return Err(Error::usage(problem, format!("set {}, or give --shard I/N", kind.count)));
    }
    let Some((first, shard)) = found.first().copied() else {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.index).collect();
        let problem = format!("--shard auto finds none of {} in the environment", names.join(", "));
        return Err(Error::usage(problem, remedy));
    };
    match found.iter().find(|(_, other)| *other != shard) {
        None => Ok(shard),
        Some((name, other)) => {
            let problem =
                format!("--shard auto: by {first} this is shard {shard}, by {name} {other}");
            Err(Error::usage(problem, remedy))
        }
    }
}

/// What the variables of a kind say.
enum Told {
    Nothing,
    /// An index, and not of how many: a batch script of SLURM has one without any tasks.
    WithoutCount,
    Whole(Shard),
}

impl Kind {
    fn shard(&self, variable: &dyn Fn(&str) -> Option<String>) -> Result<Told> {
        let number = |name: &str| {
            let text = variable(name).filter(|text| !text.is_empty());
            let parsed = text.map(|text| text.trim().parse::<usize>().map_err(|_| text));
            parsed.transpose().map_err(|text| {
                let problem = format!("--shard auto: {name} is '{text}', and not a number");
                Error::usage(problem, "give --shard I/N")
            })
        };
        let optional = |name: Option<&str>| name.map_or(Ok(None), number);
        let Some(index) = number(self.index)? else { return Ok(Told::Nothing) };
        let Some(count) = number(self.count)? else { return Ok(Told::WithoutCount) };
        let (first, step) = (optional(self.first)?.unwrap_or(0), optional(self.step)?.unwrap_or(1));
        let place = index.checked_sub(first).filter(|apart| apart.is_multiple_of(step.max(1)));
        match place.map(|apart| apart / step.max(1)).filter(|place| *place < count) {
            Some(index) => Ok(Told::Whole(Shard { index, count })),
            None => {
                let problem = format!(
                    "--shard auto: {} is {index}, which is none of {count} that follow each other from {first} on",
                    self.index
                );
                Err(Error::usage(problem, "give --shard I/N"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Shard, String> {
        let find = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        shard(&find).map_err(|e| e.to_string())
    }

    #[test]
    fn every_kind_is_read() {
        let third = Ok(Shard { index: 2, count: 4 });
        for (index, count) in [
            ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"),
            ("SLURM_PROCID", "SLURM_NTASKS"),
            ("RANK", "WORLD_SIZE"),
            ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
            ("PMI_RANK", "PMI_SIZE"),
            ("JOB_COMPLETION_INDEX", "REPSIM_SHARDS"),
            ("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"),
        ] {
            assert_eq!(of(&[(index, "2"), (count, "4")]), third, "{index}");
            assert!(of(&[(index, "4"), (count, "4")]).is_err_and(|e| e.contains(index)));
            assert!(of(&[(index, "2")]).is_err_and(|e| e.contains(count)));
            assert!(of(&[(index, "x"), (count, "4")]).is_err_and(|e| e.contains("not a number")));
        }
    }

    #[test]
    fn arrays_need_not_begin_at_0() {
        let array = [("SLURM_ARRAY_TASK_COUNT", "4"), ("SLURM_ARRAY_TASK_MIN", "10")];
        let task = |id, step| {
            of(&[array[0], array[1], ("SLURM_ARRAY_TASK_ID", id), ("SLURM_ARRAY_TASK_STEP", step)])
        };
        assert_eq!(task("12", "1"), Ok(Shard { index: 2, count: 4 }));
        assert_eq!(task("16", "2"), Ok(Shard { index: 3, count: 4 }));
        // --array=10,11,20,30
        assert!(task("20", "1").is_err() && task("9", "1").is_err() && task("13", "2").is_err());
    }

    #[test]
    fn none_or_several_are_told() {
        assert!(of(&[]).is_err_and(|e| e.contains("SLURM_ARRAY_TASK_ID") && e.contains("RANK")));
        let one_task = [("SLURM_PROCID", "0"), ("SLURM_NTASKS", "1")];
        let array = [("SLURM_ARRAY_TASK_ID", "3"), ("SLURM_ARRAY_TASK_COUNT", "8")];
        assert_eq!(of(&[one_task, array].concat()), Ok(Shard { index: 3, count: 8 }));
        assert_eq!(of(&[&one_task[..1], &array[..]].concat()), Ok(Shard { index: 3, count: 8 }));
        let ranks = [("RANK", "1"), ("WORLD_SIZE", "2")];
        let said = of(&[ranks, array].concat()).err().unwrap_or_default();
        assert!(said.contains("3/8") && said.contains("torchrun 1/2"), "{said}");
        let same = [("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "2")];
        assert_eq!(of(&[ranks, same].concat()), Ok(Shard { index: 1, count: 2 }));
    }
}
