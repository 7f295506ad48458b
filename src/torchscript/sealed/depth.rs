//! The longest path through things that hold one another.

/// Why there is no longest path.
#[derive(Debug, PartialEq, Eq)]
pub struct Cycle;

/// The most weight on a path along `edges` from one of the nodes, whose weights are given. What lies on a
/// cycle, or between two, counts as if one path went through all of it.
pub fn longest(weights: &[u64], edges: &[(u32, u32)]) -> u64 {
    let (down, rest) = peel(weights, edges, &vec![true; weights.len()]);
    let back: Vec<(u32, u32)> = edges.iter().map(|&(from, to)| (to, from)).collect();
    let (up, core) = peel(weights, &back, &rest);
    let cyclic = weights.iter().zip(&core).filter(|(_, in_core)| **in_core);
    down + up + cyclic.map(|(weight, _)| weight).sum::<u64>()
}

/// The same where nothing may hold itself.
///
/// # Errors
/// Something does.
pub fn longest_without_cycles(weights: &[u64], edges: &[(u32, u32)]) -> Result<u64, Cycle> {
    let (longest, rest) = peel(weights, edges, &vec![true; weights.len()]);
    if rest.contains(&true) { Err(Cycle) } else { Ok(longest) }
}

/// Takes away the nodes, among those `present`, that hold nothing any more, until there are none. Returns
/// the most weight on a path of those taken away, and what is left.
fn peel(weights: &[u64], edges: &[(u32, u32)], present: &[bool]) -> (u64, Vec<bool>) {
    let counts = |&&(from, to): &&(u32, u32)| present[from as usize] && present[to as usize];
    let mut held_by: Vec<Vec<u32>> = vec![vec![]; weights.len()];
    let mut holds = vec![0_u32; weights.len()];
    for &(from, to) in edges.iter().filter(counts) {
        held_by[to as usize].push(from);
        holds[from as usize] += 1;
    }
    let mut below = vec![0_u64; weights.len()];
    let mut left = present.to_vec();
    let mut ready: Vec<usize> =
        (0..weights.len()).filter(|&n| present[n] && holds[n] == 0).collect();
    let mut longest = 0;
    while let Some(node) = ready.pop() {
        left[node] = false;
        let path = below[node] + weights[node];
        longest = longest.max(path);
        for &holder in &held_by[node] {
            let holder = holder as usize;
            below[holder] = below[holder].max(path);
            holds[holder] -= 1;
            if holds[holder] == 0 {
                ready.push(holder);
            }
        }
    }
    (longest, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_weighed() {
        let edges = [(0, 1), (1, 2), (0, 2), (3, 2)];
        assert_eq!(longest(&[1, 10, 100, 1000], &edges), 1100);
        assert_eq!(longest_without_cycles(&[1, 1, 1, 1], &edges), Ok(3));
        let through_a_cycle = [(0, 1), (1, 2), (2, 1), (2, 3)];
        assert_eq!(longest(&[1, 10, 100, 1000], &through_a_cycle), 1111);
        assert_eq!(longest_without_cycles(&[1; 4], &through_a_cycle), Err(Cycle));
        assert_eq!(longest(&[5], &[]), 5);
    }
}
