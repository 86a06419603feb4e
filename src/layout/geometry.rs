//! From bytes to rows of equal length, and from rows to pixels.

use super::lanes::{Lane, Plan, Role};
use crate::draw::pen::{NAME, columns_in};
use crate::draw::words::columns;

/// Rows drawn of one lane.
const ROWS: usize = 64;
/// The widest row: a record of so many bytes is one row.
const WIDEST: u64 = 40;

/// How many bytes a row has, and how many pixels a byte.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    pub bytes: u64,
    pub px: i64,
}

/// A piece of a cell that is in one row.
#[derive(Debug)]
pub(super) struct Piece {
    /// Index of the cell.
    pub cell: usize,
    pub from: u64,
    pub to: u64,
}

/// A row of a lane.
#[derive(Debug)]
pub(super) enum Row {
    /// Its number, counted from the start of the area, and what is in it.
    Bytes(u64, Vec<Piece>),
    /// So many bytes within a cell that are all alike.
    Alike(u64),
    /// So many bytes that are not drawn.
    Rest(u64),
}

impl Grid {
    /// The grid with which the picture is small and its names are whole.
    pub(super) fn of(plan: &Plan<'_>, room: i64) -> Grid {
        let whole = plan.size.clamp(1, WIDEST);
        let narrower = [32, 16, 8].into_iter().filter(|&b| b < plan.size);
        let all = (plan.size <= WIDEST).then_some(whole).into_iter().chain(narrower);
        let grids = all.map(|bytes| Grid { bytes, px: (room / bytes.cast_signed()).clamp(24, 96) });
        grids.min_by_key(|grid| grid.cost(plan)).unwrap_or(Grid { bytes: 8, px: 96 })
    }

    /// Rows, and names that are cut, which is worse.
    fn cost(self, plan: &Plan<'_>) -> u64 {
        let lane = |lane: &Lane<'_>| {
            let (from, to) = (lane.cells.first().map_or(0, |c| c.from), lane.cells.last().map_or(0, |c| c.to));
            let rows = (to.div_ceil(self.bytes)).saturating_sub(from / self.bytes).min(ROWS as u64);
            let named = lane.cells.iter().filter(|c| !matches!(c.role, Role::Gap | Role::Tag));
            let cut = named.filter(|c| columns(&c.name) > columns_in(self.width(c.from, c.to), NAME));
            rows + 2 * cut.count() as u64
        };
        plan.lanes().map(lane).sum()
    }

    /// Pixels of these bytes, which are in one row; of more, pixels of a row.
    pub(super) fn width(self, from: u64, to: u64) -> i64 {
        to.saturating_sub(from).min(self.bytes).cast_signed() * self.px
    }

    /// Pixels from the start of its row to a byte.
    pub(super) fn left(self, byte: u64) -> i64 {
        (byte % self.bytes).cast_signed() * self.px
    }

    /// Pixels of a whole row.
    pub(super) fn row(self) -> i64 {
        self.bytes.cast_signed() * self.px
    }

    /// The rows of a lane. A cell of many rows shows its first and its last.
    pub(super) fn rows(self, lane: &Lane<'_>) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        let end = lane.cells.last().map_or(0, |c| c.to);
        for (index, cell) in lane.cells.iter().enumerate().filter(|(_, c)| c.to > c.from) {
            let (first, last) = (cell.from / self.bytes, (cell.to - 1) / self.bytes);
            let near = if last - first <= 2 { first..=last } else { first..=first };
            let far = (last - first > 2).then_some(last);
            for row in near.chain(far) {
                if Some(row) == far {
                    rows.push(Row::Alike((last - first - 1) * self.bytes));
                }
                let start = row * self.bytes;
                let piece = Piece { cell: index, from: cell.from.max(start), to: cell.to.min(start + self.bytes) };
                let full = rows.len() >= ROWS;
                match rows.last_mut() {
                    Some(Row::Bytes(at, pieces)) if *at == row => pieces.push(piece),
                    _ if full => {
                        rows.push(Row::Rest(end.saturating_sub(start)));
                        return rows;
                    }
                    _ => rows.push(Row::Bytes(row, vec![piece])),
                }
            }
        }
        rows
    }
}
