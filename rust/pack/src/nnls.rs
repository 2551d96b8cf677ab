//! Non-negative least squares: the x ≥ 0 for which A·x is nearest to a target, by the active-set method of Lawson and
//! Hanson ("Solving Least Squares Problems", 1974, chapter 23).
//!
//! Some columns of A are *members*: their x may be above 0, that of all others is 0. In turn, the column along which the
//! distance falls most steeply becomes a member, and the least squares over the members alone are solved. If some of them
//! would fall to 0 or below, x goes towards that solution only until the first one is 0, which then is no member any more,
//! and the rest is solved again. When no column promises anything, x is the answer (the conditions of Karush, Kuhn and
//! Tucker hold): members have slope 0, and from all others the distance rises.
//!
//! Here A is large and nearly empty, members are few. So of A only what is not 0 is kept, and of the members M a thin
//! factorization M = Q·R is kept up to date: a new member is one step of Gram and Schmidt (done twice, which makes Q
//! orthogonal to the last bits), and a member less is one rotation of neighbouring columns for each member after it. For m
//! rows, p members and z entries of A, a turn takes O(z + m·p) time; there are between m and 2·m turns, mostly.
//!
//! All sums are in a fixed order, with nothing but +, −, ×, ÷ and √, which every processor rounds alike: the same input is
//! the same answer, to the bit, everywhere.

/// Slopes this much below the steepest one at x = 0 count as 0: they are errors of rounding.
const RELATIVE_TOLERANCE: f64 = 1e-12;

/// A column is no member if what is new in it, relative to its length, is less than this: the members span the rest.
const LEAST_NEW: f64 = 1e-9;

/// Gives up after so many turns for each row. The x at that point is not the nearest, but no step took it farther away.
const MOST_TURNS_PER_ROW: usize = 8;

/// A matrix of which few entries in every column are not 0.
#[derive(Debug)]
pub(crate) struct SparseColumns {
    n_rows: usize,
    /// Entries `starts[j] .. starts[j + 1]` are column `j`; starts with 0.
    starts: Vec<usize>,
    rows: Vec<usize>,
    values: Vec<f64>,
}

impl SparseColumns {
    /// A matrix without columns.
    pub(crate) fn new(n_rows: usize) -> Self {
        Self { n_rows, starts: vec![0], rows: Vec::new(), values: Vec::new() }
    }

    /// Adds a column with these entries, each a row and a value; values for the same row add up.
    pub(crate) fn push(&mut self, entries: impl IntoIterator<Item = (usize, f64)>) {
        let start = self.rows.len();
        for (row, value) in entries {
            if let Some(known) = self.rows[start..].iter().position(|&known| known == row) {
                self.values[start + known] += value;
            } else {
                self.rows.push(row);
                self.values.push(value);
            }
        }
        self.starts.push(self.rows.len());
    }

    /// Number of columns.
    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn column(&self, column: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let entries = self.starts[column]..self.starts[column + 1];
        self.rows[entries.clone()].iter().copied().zip(self.values[entries].iter().copied())
    }

    /// The product of a column with a vector of all rows.
    fn times(&self, column: usize, vector: &[f64]) -> f64 {
        self.column(column).map(|(row, value)| value * vector[row]).sum()
    }
}

/// The x ≥ 0, one for each column, for which `columns`·x is nearest to `target`.
///
/// If more turns are needed than [`MOST_TURNS_PER_ROW`] allows, the x reached by then: still ≥ 0, and nearer than 0 is.
pub(crate) fn solve(columns: &SparseColumns, target: &[f64]) -> Vec<f64> {
    let steepest = (0..columns.len()).map(|column| columns.times(column, target)).fold(0.0, f64::max);
    let tolerance = steepest * RELATIVE_TOLERANCE;

    let mut members = Members::new(columns.n_rows);
    let mut x: Vec<f64> = Vec::new();
    let mut is_barred = vec![false; columns.len()];
    for _ in 0..MOST_TURNS_PER_ROW * columns.n_rows {
        let residual = members.residual(columns, target, &x);
        for &member in &members.columns {
            is_barred[member] = true;
        }
        let mut chosen = None;
        let mut best = tolerance;
        for (column, &is_barred) in is_barred.iter().enumerate() {
            let slope = columns.times(column, &residual);
            if slope > best && !is_barred {
                best = slope;
                chosen = Some(column);
            }
        }
        let Some(column) = chosen else { break };
        // What rounding makes look worth while, but is not, is barred until something else has changed.
        if !members.insert(columns, column, target) {
            is_barred[column] = true;
            continue;
        }
        let mut goal = members.solve();
        if goal.last().is_none_or(|&newest| newest <= 0.0) {
            members.remove(members.columns.len() - 1);
            is_barred[column] = true;
            continue;
        }
        is_barred.fill(false);
        x.push(0.0);
        while let Some((first, share)) = first_to_vanish(&x, &goal) {
            for (x, goal) in x.iter_mut().zip(&goal) {
                *x += share * (goal - *x);
            }
            x[first] = 0.0;
            for position in (0..x.len()).rev() {
                if x[position] <= 0.0 {
                    x.remove(position);
                    members.remove(position);
                }
            }
            goal = members.solve();
        }
        x = goal;
    }

    let mut all = vec![0.0; columns.len()];
    for (&column, x) in members.columns.iter().zip(x) {
        all[column] = x;
    }
    all
}

/// On the way from `x` to `goal`, the member that falls to 0 first, and the share of the way that it allows.
fn first_to_vanish(x: &[f64], goal: &[f64]) -> Option<(usize, f64)> {
    let mut first: Option<(usize, f64)> = None;
    for (position, (&x, &goal)) in x.iter().zip(goal).enumerate() {
        if goal <= 0.0 {
            let share = if x > goal { x / (x - goal) } else { 0.0 };
            if first.is_none_or(|(_, least)| share < least) {
                first = Some((position, share));
            }
        }
    }
    first
}

/// The columns whose x may be above 0, as the product of orthonormal columns Q and an upper triangle R.
struct Members {
    n_rows: usize,
    /// Which columns, in the order in which they came.
    columns: Vec<usize>,
    /// The columns of Q, one after the other.
    q: Vec<f64>,
    /// The columns of R; column `k` has `k + 1` entries.
    r: Vec<Vec<f64>>,
    /// The product of every column of Q with the target.
    target_by_q: Vec<f64>,
}

impl Members {
    fn new(n_rows: usize) -> Self {
        Self { n_rows, columns: Vec::new(), q: Vec::new(), r: Vec::new(), target_by_q: Vec::new() }
    }

    /// Adds a column, unless the members span it already.
    fn insert(&mut self, columns: &SparseColumns, column: usize, target: &[f64]) -> bool {
        let mut rest = vec![0.0; self.n_rows];
        for (row, value) in columns.column(column) {
            rest[row] = value;
        }
        let length = dot(&rest, &rest).sqrt();
        let mut along: Vec<f64> = vec![0.0; self.columns.len()];
        for _ in 0..2 {
            let products: Vec<f64> = self.q.chunks_exact(self.n_rows).map(|q| dot(q, &rest)).collect();
            for (q, product) in self.q.chunks_exact(self.n_rows).zip(&products) {
                for (rest, q) in rest.iter_mut().zip(q) {
                    *rest -= product * q;
                }
            }
            for (along, product) in along.iter_mut().zip(products) {
                *along += product;
            }
        }
        let new = dot(&rest, &rest).sqrt();
        if new <= LEAST_NEW * length {
            return false;
        }
        for rest in &mut rest {
            *rest /= new;
        }
        along.push(new);
        self.target_by_q.push(dot(&rest, target));
        self.q.extend(rest);
        self.r.push(along);
        self.columns.push(column);
        true
    }

    /// Takes a member out. The columns of R after it reach one below the triangle, and rotating neighbours in Q puts that
    /// right.
    fn remove(&mut self, position: usize) {
        self.columns.remove(position);
        self.r.remove(position);
        let mut rotations: Vec<(f64, f64)> = Vec::new();
        for (k, column) in self.r.iter_mut().enumerate().skip(position) {
            for (above, &(cosine, sine)) in (position..).zip(&rotations) {
                rotate(&mut column[above..=above + 1], cosine, sine);
            }
            let (above, below) = (column[k], column[k + 1]);
            let length = (above * above + below * below).sqrt();
            rotations.push((above / length, below / length));
            column.truncate(k);
            column.push(length);
        }
        for (k, (cosine, sine)) in (position..).zip(rotations) {
            rotate(&mut self.target_by_q[k..=k + 1], cosine, sine);
            let (above, below) = self.q[k * self.n_rows..(k + 2) * self.n_rows].split_at_mut(self.n_rows);
            for (above, below) in above.iter_mut().zip(below) {
                let turned = [*above * cosine + *below * sine, *below * cosine - *above * sine];
                [*above, *below] = turned;
            }
        }
        self.target_by_q.pop();
        self.q.truncate(self.columns.len() * self.n_rows);
    }

    /// The x of least squares over the members, of any sign: R·x = Qᵀ·target, from the last row up.
    fn solve(&self) -> Vec<f64> {
        let mut x = self.target_by_q.clone();
        for (k, column) in self.r.iter().enumerate().rev() {
            x[k] /= column[k];
            let last = x[k];
            for (x, r) in x[..k].iter_mut().zip(column) {
                *x -= r * last;
            }
        }
        x
    }

    /// What is missing to the target.
    fn residual(&self, columns: &SparseColumns, target: &[f64], x: &[f64]) -> Vec<f64> {
        let mut residual = target.to_vec();
        for (&column, x) in self.columns.iter().zip(x) {
            for (row, value) in columns.column(column) {
                residual[row] -= value * x;
            }
        }
        residual
    }
}

fn rotate(pair: &mut [f64], cosine: f64, sine: f64) {
    if let [above, below] = pair {
        [*above, *below] = [*above * cosine + *below * sine, *below * cosine - *above * sine];
    }
}

/// The inner product, as eight sums side by side: an order that is fixed and that vector units can keep.
fn dot(one: &[f64], other: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (ones, others) = (one.chunks_exact(8), other.chunks_exact(8));
    let rest: f64 = ones.remainder().iter().zip(others.remainder()).map(|(one, other)| one * other).sum();
    for (one, other) in ones.zip(others) {
        for lane in 0..8 {
            sums[lane] += one[lane] * other[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Columns of up to three entries.
    fn any_problem() -> impl Strategy<Value = (SparseColumns, Vec<f64>)> {
        (1..12_usize, any::<bool>()).prop_flat_map(|(n_rows, is_whole)| {
            let value =
                move |value: i32| if is_whole { f64::from(value / 10) } else { f64::from(value) / 7.0 };
            let entry = (0..n_rows, (-20..40_i32).prop_map(value));
            let columns = prop::collection::vec(prop::collection::vec(entry, 0..=3), 0..40);
            let target = prop::collection::vec((-300..1000_i32).prop_map(value), n_rows);
            (columns, target).prop_map(move |(entries, target)| {
                let mut columns = SparseColumns::new(n_rows);
                for column in entries {
                    columns.push(column);
                }
                (columns, target)
            })
        })
    }

    fn residual(columns: &SparseColumns, target: &[f64], x: &[f64]) -> Vec<f64> {
        let mut residual = target.to_vec();
        for (column, x) in x.iter().enumerate() {
            for (row, value) in columns.column(column) {
                residual[row] -= value * x;
            }
        }
        residual
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]

        /// The distance is convex, so these conditions make x the nearest, however it was found.
        #[test]
        fn no_step_leads_nearer((columns, target) in any_problem()) {
            let x = solve(&columns, &target);
            let residual = residual(&columns, &target, &x);
            for (column, &x) in x.iter().enumerate() {
                let slope = columns.times(column, &residual);
                prop_assert!(x >= 0.0 && x.is_finite());
                prop_assert!(slope < 1e-6, "more of column {column} leads nearer: {slope}");
                prop_assert!(x == 0.0 || slope > -1e-6, "less of column {column} leads nearer: {slope}");
            }
        }

        /// A target that a sum of columns reaches is reached.
        #[test]
        fn finds_what_is_there((columns, _) in any_problem(), seed in prop::collection::vec(0..5_u32, 40)) {
            let there: Vec<f64> = seed.iter().take(columns.len()).map(|&x| f64::from(x)).collect();
            let minus = residual(&columns, &vec![0.0; columns.n_rows], &there);
            let target: Vec<f64> = minus.iter().map(|value| -value).collect();
            let x = solve(&columns, &target);
            prop_assert!(residual(&columns, &target, &x).iter().all(|rest| rest.abs() < 1e-6));
        }
    }

    #[test]
    fn by_hand() {
        let mut columns = SparseColumns::new(2);
        columns.push([(0, 1.0), (0, 1.0)]);
        columns.push([(0, 1.0), (1, 1.0)]);
        columns.push([(1, -1.0)]);
        // Row 0 wants 4, row 1 less than nothing: two of the first column, and three of the last.
        assert_eq!(solve(&columns, &[4.0, -3.0]), [2.0, 0.0, 3.0]);
        // What no column leads to is left alone.
        assert_eq!(solve(&columns, &[-4.0, 0.0]), [0.0, 0.0, 0.0]);
        assert_eq!(solve(&SparseColumns::new(2), &[1.0, 1.0]), [0.0; 0]);
    }
}
