//! Rules of a scripted registry: for which requests it does something else, and what.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::server::{Delivery, Reading, Request, Response};

/// Which requests a rule is for.
#[derive(Clone, Debug)]
pub(crate) struct When {
    method: String,
    fragment: String,
    skip: usize,
    times: usize,
}

/// Requests with this method (`*` for any) whose target holds `fragment`.
pub(crate) fn when(method: &str, fragment: &str) -> When {
    When { method: method.to_owned(), fragment: fragment.to_owned(), skip: 0, times: usize::MAX }
}

impl When {
    /// Not the first so many of them.
    pub(crate) fn skip(mut self, requests: usize) -> Self {
        self.skip = requests;
        self
    }

    /// Only so many of them.
    pub(crate) fn times(mut self, requests: usize) -> Self {
        self.times = requests;
        self
    }

    /// Only one of them.
    pub(crate) fn once(self) -> Self {
        self.times(1)
    }

    /// Whether a request has the method and the fragment.
    pub(crate) fn fits(&self, request: &Request) -> bool {
        (self.method == "*" || self.method == request.method) && request.target.contains(&self.fragment)
    }
}

/// Makes an answer.
pub(super) type Answerer = Box<dyn Fn(&Request) -> Response + Send + Sync>;
/// Makes an answer, or leaves it to the registry.
pub(super) type MaybeAnswerer = Box<dyn Fn(&Request) -> Option<Response> + Send + Sync>;
/// Makes another answer of the one that the registry would have given.
pub(super) type Changer = Box<dyn Fn(&Request, Response) -> Response + Send + Sync>;

/// What is done in place of what is right.
pub(crate) enum Act {
    /// Answers without doing anything.
    Answer(Answerer),
    /// Answers without doing anything where there is an answer, else leaves it to the next rule.
    AnswerIf(MaybeAnswerer),
    /// Does what is right, and answers otherwise.
    Change(Changer),
    /// Reads the request's body otherwise.
    Read(Reading),
}

impl Act {
    /// Answers what a function says, doing nothing.
    pub(crate) fn answer(answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        Self::Answer(Box::new(answer))
    }

    /// Answers what a function says where it says something, doing nothing; else leaves it to the next rule.
    pub(crate) fn answer_if(answer: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static) -> Self {
        Self::AnswerIf(Box::new(answer))
    }

    /// Does what is right, and lets a function change the answer.
    pub(crate) fn change(change: impl Fn(&Request, Response) -> Response + Send + Sync + 'static) -> Self {
        Self::Change(Box::new(change))
    }

    /// Always gives this answer, doing nothing.
    pub(crate) fn respond(response: Response) -> Self {
        Self::answer(move |_| response.clone())
    }

    /// Answers with a status and no body, doing nothing.
    pub(crate) fn status(status: u16) -> Self {
        Self::respond(Response::new(status))
    }

    /// Sends the client elsewhere.
    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        Self::respond(Response::new(status).header("Location", location))
    }

    /// Sends the client to the same target on another server.
    pub(crate) fn redirect_to(status: u16, server: &str) -> Self {
        let server = server.to_owned();
        Self::answer(move |request| Response::new(status).header("Location", &format!("{server}{}", request.target)))
    }

    /// Does what is right, and adds or replaces a header of the answer.
    pub(crate) fn header(name: &'static str, value: &str) -> Self {
        let value = value.to_owned();
        Self::change(move |_, response| response.header(name, &value))
    }

    /// Does what is right, and leaves a header out.
    pub(crate) fn without_header(name: &'static str) -> Self {
        Self::change(move |_, response| response.without_header(name))
    }

    /// Does what is right, and sends the answer in another way.
    pub(crate) fn deliver(delivery: Delivery) -> Self {
        Self::change(move |_, response| response.deliver(delivery.clone()))
    }

    /// Reads so many bytes of the request's body, then resets the connection.
    pub(crate) fn reset_request_after(bytes: usize) -> Self {
        Self::Read(Reading::ResetAfter(bytes))
    }
}

/// A rule, and how many requests it has fitted.
pub(super) struct Rule {
    when: When,
    pub(super) act: Act,
    seen: AtomicUsize,
}

impl Rule {
    pub(super) const fn new(when: When, act: Act) -> Self {
        Self { when, act, seen: AtomicUsize::new(0) }
    }

    /// Whether it would act on this request, were it the next.
    pub(super) fn applies(&self, request: &Request) -> bool {
        let seen = self.seen.load(Ordering::SeqCst);
        self.when.fits(request) && seen >= self.when.skip && seen - self.when.skip < self.when.times
    }

    /// Counts this request; whether it acts on it.
    pub(super) fn count(&self, request: &Request) -> bool {
        if !self.when.fits(request) {
            return false;
        }
        let seen = self.seen.fetch_add(1, Ordering::SeqCst);
        seen >= self.when.skip && seen - self.when.skip < self.when.times
    }

    pub(super) fn reading(&self) -> Option<Reading> {
        if let Act::Read(reading) = &self.act { Some(*reading) } else { None }
    }
}
