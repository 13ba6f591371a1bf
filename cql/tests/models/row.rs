//! A row that conditional writes change, as they and plain reads see it.

/// What every conditional write and every serial read sees, and what a quorum may show still.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row<T> {
    now: T,
    /// None if the last write was answered, or completed by what came to the row after it.
    before: Option<T>,
}

impl<T: Clone> Row<T> {
    pub fn new(content: T) -> Self {
        Self {
            now: content,
            before: None,
        }
    }

    /// What is in it.
    pub fn now(&self) -> &T {
        &self.now
    }

    /// Whether a quorum may be behind.
    pub fn may_be_behind(&self) -> bool {
        self.before.is_some()
    }

    /// What a quorum shows.
    pub fn shown(&self, is_behind: bool) -> T {
        let before = self.before.as_ref().filter(|_| is_behind);
        before.unwrap_or(&self.now).clone()
    }

    /// What a serial read shows. As any round of Paxos it completes the write before, on a quorum.
    pub fn shown_serially(&mut self) -> T {
        self.before = None;
        self.now.clone()
    }

    /// A conditional write is carried out, which leaves this in the row, or nothing new if its condition does not hold; whether its sender hears of
    /// it. Answers what was in the row.
    pub fn carry_out(&mut self, next: Option<T>, is_heard: bool) -> T {
        let before = self.now.clone();
        self.before = None;
        if let Some(next) = next {
            self.now = next;
            self.before = (!is_heard).then(|| before.clone());
        }
        before
    }
}
