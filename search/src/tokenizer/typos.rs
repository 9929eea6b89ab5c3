//! Typo tolerance: the number of typos allowed in a word, and the comparison of two words.

/// The number of typos allowed in a word of this length: none below five letters, one below nine, then two. Numbers and single characters
/// allow none.
#[must_use]
pub fn max_typos(folded: &str) -> u8 {
    if folded.chars().any(|c| !c.is_alphabetic()) {
        return 0;
    }
    match folded.chars().count() {
        ..5 => 0,
        5..9 => 1,
        _ => 2,
    }
}

/// Returns whether `a` becomes `b` by at most `most` letters added, removed, replaced or swapped with their neighbour.
#[must_use]
pub fn within_edit_distance(a: &str, b: &str, most: u8) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let most = usize::from(most);
    if a.len().abs_diff(b.len()) > most {
        return false;
    }
    let width = b.len() + 1;
    let mut rows = vec![vec![0_usize; width]; 3];
    rows[0] = (0..width).collect();
    for i in 1..=a.len() {
        let mut best = i;
        let mut row = vec![i; width];
        for j in 1..width {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut cost = (rows[0][j] + 1).min(row[j - 1] + 1).min(rows[0][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                cost = cost.min(rows[1][j - 2] + 1);
            }
            row[j] = cost;
            best = best.min(cost);
        }
        if best > most {
            return false;
        }
        rows.rotate_right(1);
        rows[0] = row;
    }
    rows[0][b.len()] <= most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_counted() {
        assert!(
            within_edit_distance("delivry", "delivery", 1)
                && within_edit_distance("teh", "the", 1)
                && within_edit_distance("abc", "abc", 0)
        );
        assert!(
            !within_edit_distance("card", "cat", 1)
                && !within_edit_distance("abcdef", "badcfe", 2)
                && within_edit_distance("badc", "abcd", 2)
        );
        assert_eq!((max_typos("card"), max_typos("cards"), max_typos("delivered"), max_typos("a1234")), (0, 1, 2, 0));
    }
}
