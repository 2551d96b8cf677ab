//! Cutting documents into tasks for threads, where it makes no difference: between records, and within a long record
//! where the pretokenizer has a boundary whatever comes before and after.

use super::Record;
use crate::pretokenizer::scanner::{boundary_before, Scanner};
use std::ops::Range;

/// Bytes of text in a task, unless it cannot be cut.
pub(super) const TASK_BYTES: usize = 64 << 10;

/// Several whole documents, or a piece of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    /// The documents.
    pub(super) documents: Range<usize>,
    /// Where the piece lies, if it is a piece; there is only one document then.
    pub(super) piece: Option<Range<usize>>,
    pub(super) n_bytes: usize,
}

/// Cuts documents into tasks, in order. O(n) in the text.
pub(super) fn tasks(documents: &[&str], record: Record, scanner: Option<&Scanner>) -> Vec<Task> {
    let mut tasks = Vec::new();
    let (mut start, mut n_bytes) = (0, 0);
    for (document, text) in documents.iter().enumerate() {
        if text.len() > 2 * TASK_BYTES {
            if start < document {
                tasks.push(Task { documents: start..document, piece: None, n_bytes });
            }
            cut(text, record, scanner, &mut |piece| {
                let n_bytes = piece.len();
                tasks.push(Task { documents: document..document + 1, piece: Some(piece), n_bytes });
            });
            (start, n_bytes) = (document + 1, 0);
            continue;
        }
        n_bytes += text.len();
        if n_bytes >= TASK_BYTES {
            tasks.push(Task { documents: start..document + 1, piece: None, n_bytes });
            (start, n_bytes) = (document + 1, 0);
        }
    }
    if start < documents.len() {
        tasks.push(Task { documents: start..documents.len(), piece: None, n_bytes });
    }
    tasks
}

/// Cuts a text that is not empty.
fn cut(text: &str, record: Record, scanner: Option<&Scanner>, visit: &mut dyn FnMut(Range<usize>)) {
    let (mut start, mut from) = (0, TASK_BYTES);
    while from < text.len() {
        // What is searched is not searched again, so that all searches together are linear.
        let end = boundary_before(text, from + TASK_BYTES);
        let searched = &text.as_bytes()[from..end];
        let line_end = || searched.iter().position(|&byte| byte == b'\n').map(|place| from + place + 1);
        let place = Some(record)
            .filter(|record| *record == Record::Line)
            .and_then(|_| line_end())
            .or_else(|| scanner?.certain_boundary(&text[..end], from))
            .filter(|&place| place < text.len());
        if let Some(place) = place {
            visit(start..place);
            start = place;
        }
        from = place.unwrap_or(from) + TASK_BYTES;
    }
    visit(start..text.len());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Pretokenizer;

    fn pieces(text: &str, record: Record, scanner: Option<&Scanner>) -> Vec<Range<usize>> {
        tasks(&[text], record, scanner).into_iter().map(|task| task.piece.unwrap_or(0..text.len())).collect()
    }

    #[test]
    fn tasks_hold_every_document_once_and_in_order() {
        let short = "some words\n".repeat(2000);
        let long = "some words\n".repeat(40_000);
        let documents = [&short[..], "", &short, &long, "a", "", &long, &short, &short, &short, &short];
        let tasks = tasks(&documents, Record::Line, None);
        let mut done = (0, 0);
        for task in &tasks {
            assert_eq!(task.documents.start, done.0);
            match &task.piece {
                Some(piece) => {
                    assert_eq!(piece.start, done.1);
                    assert_eq!(documents[done.0].as_bytes()[piece.end - 1], b'\n');
                    let is_last = piece.end == documents[done.0].len();
                    done = if is_last { (done.0 + 1, 0) } else { (done.0, piece.end) };
                }
                None => done = (task.documents.end, 0),
            }
        }
        assert_eq!(done, (documents.len(), 0));
        assert_eq!(tasks.iter().map(|task| task.n_bytes).sum::<usize>(), documents.concat().len());
    }

    #[test]
    fn a_long_record_is_cut_where_the_pretokenizer_is_certain() {
        let text = "Une chaîne, 12 words. ".repeat(30_000);
        let scanner = Pretokenizer::named("r50k").unwrap();
        for record in [Record::Line, Record::Document] {
            assert!(pieces(&text, record, scanner.scanner()).len() > 5);
            assert_eq!(pieces(&text, record, None).len(), 1);
            assert_eq!(pieces(&"é".repeat(300_000), record, scanner.scanner()).len(), 1);
        }
    }
}
