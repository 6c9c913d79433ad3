//! "Did you mean …?"
//!
//! Lives here: which of the known names is nearest to a misspelt one.
//! Does not live here: anything else about problems.

/// Names longer than this are not compared: the work grows with the product of both lengths.
const LENGTH_MAX: usize = 64;

/// The remedy for a name that nobody knows: the one that was probably meant, or all there are.
pub(super) fn help(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => {
            let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            format!("known are {}", names.join(", "))
        }
    }
}

/// The known name that is at most a third of its letters away.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if LENGTH_MAX < name.len() {
        return None;
    }
    known
        .iter()
        .map(|candidate| (distance(name, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters have to be added, dropped, changed or swapped with their neighbour; case counts for nothing.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().collect();
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.iter().enumerate() {
        let mut next = vec![index + 1];
        for (column, other) in right.iter().enumerate() {
            let cell =
                |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut best = (cell(&row, column) + usize::from(letter != other))
                .min(cell(&row, column + 1) + 1)
                .min(cell(&next, column) + 1);
            let swapped = index
                .checked_sub(1)
                .zip(column.checked_sub(1))
                .filter(|(up, back)| {
                    left.get(*up) == Some(other) && right.get(*back) == Some(letter)
                });
            if let Some((_, back)) = swapped {
                best = best.min(cell(&before, back) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(0)
}
