//! How far the labels of a cell's nearest neighbours agree with its own: kNN purity, and the balanced accuracy of their
//! vote. Finding the neighbours lives in `neighbours`.

use crate::neighbours::Neighbours;

/// What the neighbours of each cell, itself left out, say about its label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearbyLabels {
    /// Share of the neighbours that carry the cell's own label, mean over cells.
    pub purity: f64,
    /// Share of a label's cells that the majority of their neighbours gives that label, mean over the labels that occur:
    /// scikit-learn's `balanced_accuracy_score` of a leave-one-out `KNeighborsClassifier`.
    pub balanced_accuracy: f64,
}

/// The scores of the `k` nearest neighbours, or of all where there are fewer. `None` where nobody has a neighbour.
///
/// A tied vote goes to the tied label with the lowest number, as in scikit-learn; numbers of classes follow their size,
/// the largest first.
#[must_use]
pub fn nearby_labels(
    neighbours: &Neighbours,
    k: usize,
    labels: &[u16],
    classes: usize,
) -> Option<NearbyLabels> {
    let (count, k) = (neighbours.count, k.min(neighbours.k));
    if k == 0 {
        return None;
    }
    let mut alike = 0u64;
    let mut found = vec![0u64; classes];
    let mut sizes = vec![0u64; classes];
    let mut votes = vec![0u32; classes];
    for (cell, &label) in labels.iter().enumerate().take(count) {
        let (others, _) = neighbours.row(cell, k);
        votes.fill(0);
        others.iter().for_each(|&other| votes[usize::from(labels[other as usize])] += 1);
        let own = usize::from(label);
        alike += u64::from(votes[own]);
        let most = votes.iter().copied().max().unwrap_or(0);
        let elected = votes.iter().position(|&number| number == most);
        sizes[own] += 1;
        found[own] += u64::from(elected == Some(own));
    }
    let recalls = found.iter().zip(&sizes).filter(|&(_, &size)| size > 0);
    let recalls: Vec<f64> = recalls.map(|(&found, &size)| found as f64 / size as f64).collect();
    Some(NearbyLabels {
        purity: alike as f64 / (count * k) as f64,
        balanced_accuracy: recalls.iter().sum::<f64>() / recalls.len() as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::{NearbyLabels, nearby_labels};
    use crate::brake::Brake;
    use crate::neighbours::Neighbours;
    use crate::points::Points;

    fn scores(values: &[f32], labels: &[u16], k: usize, classes: usize) -> Option<NearbyLabels> {
        let points = Points::new(values, values.len(), 1).unwrap();
        nearby_labels(&Neighbours::exact(&points, k, &mut Brake::none()).unwrap(), k, labels, classes)
    }

    #[test]
    fn one_cell_has_no_neighbours() {
        assert_eq!(scores(&[], &[], 15, 0), None);
        assert_eq!(scores(&[1.0], &[0], 15, 1), None);
    }

    #[test]
    fn one_class_is_pure() {
        let found = scores(&[1.0, 2.0, 4.0], &[0, 0, 0], 15, 1).unwrap();
        assert_eq!((found.purity, found.balanced_accuracy), (1.0, 1.0));
    }

    #[test]
    fn ties_go_to_the_lower_number_and_labels_that_do_not_occur_do_not_count() {
        // Neighbours: of 0 and 1 both others … of each cell one of each label where they differ.
        let found = scores(&[0.0, 1.0, 2.0], &[0, 2, 2], 2, 4).unwrap();
        // Cell 0: votes 2, 2; cells 1 and 2: one vote for 0, one for 2: 0 wins.
        assert_eq!(found.balanced_accuracy, 0.0);
        assert_eq!(found.purity, (0.0 + 0.5 + 0.5) / 3.0);
    }
}
