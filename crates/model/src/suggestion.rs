//! "Did you mean …?"
//!
//! Lives here: which of the known names is nearest to a misspelt one.
//! Does not live here: anything else about problems (`problem`), what is known (whoever asks).

/// Names longer than this are not compared: the work grows with the product of both lengths.
const LENGTH_MAX: usize = 64;

/// The known name that was probably meant: at most a third of its letters is wrong.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if LENGTH_MAX < name.len() {
        return None;
    }
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_when_it_is_near_enough() {
        for (name, meant) in [
            ("handlr", Some("handler")),
            ("Handler", Some("handler")),
            ("hanlder", Some("handler")),
            ("timout", Some("timeout")),
            ("nothing", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, ["handler", "timeout"]), meant, "{name}");
        }
        assert_eq!(nearest(&"handler".repeat(10), ["handler"]), None);
    }
}
