//! One client connection: read, execute, write.
//!
//! The read and write buffers belong to the worker, not to the connection: an idle connection holds no buffer, and a
//! busy one finds them in the cache. Only an incomplete request or unsent output is kept with the connection. A whole
//! pipeline is answered by one write, which is tried at once. While a command waits (blocked, paused, waiting for an
//! answer) nothing after it is executed, but the socket is still watched, so that a client that leaves is noticed at
//! once. Only a client that has sent much behind a command that is owed a reply is not read until then.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use protocol::resp::OwnedArgs;

use super::buffers::{Input, Unsent};
use crate::engine::handler::{Continued, Handover, ReplyFuture};
use crate::engine::held::Held;
use crate::engine::stats::bump;
use crate::engine::{Engine, dispatch::Next, intake::Intake};
use crate::runtime::threads::{Count, READ_BUFFER, Shared};
use crate::session::client::{ClientHandle, Mail};
use crate::session::socket::SocketHandle;
use crate::session::{ReplyMode, Session};

/// While a client is owed a reply, reading from it stops at about so many bytes.
const HELD_INPUT: usize = 64 * 1024;
/// A write buffer that grew beyond this is freed, bytes.
const WRITE_BUFFER_KEEP: usize = 1024 * 1024;

/// Why a connection's wait ended.
enum Event {
    /// This many bytes were read into the worker's buffer, or appended to the connection's own.
    Read(usize),
    Closed,
    Mail,
    Reply(Vec<u8>),
    Timer,
    Killed,
}

/// What the connection waits for besides its socket.
enum Waiting {
    Nothing,
    Blocked,
    Reply(ReplyFuture),
    /// The next part of its command, after a moment for others.
    Turn(Option<Box<dyn Continued>>, Pin<Box<dyn Future<Output = ()>>>),
    /// The end of what holds a command back.
    Held {
        over: Pin<Box<dyn Future<Output = ()>>>,
        held: Held,
    },
}

struct Connection {
    stream: TcpStream,
    engine: Arc<Engine>,
    session: Session,
    intake: Intake,
    input: Input,
    unsent: Unsent,
    shared: Rc<Shared>,
    /// It runs a long command.
    long: Option<Count>,
}

/// Serves a connection until it ends.
pub(crate) async fn serve(
    stream: TcpStream,
    engine: Arc<Engine>,
    handle: Arc<ClientHandle>,
    gate: usize,
    shared: Rc<Shared>,
) {
    let authenticated = engine.hot.load().password.is_empty();
    let seed = engine.state.seed();
    let session = Session { vms: shared.vms.clone(), ..Session::new(handle, gate, authenticated, seed) };
    let mut connection = Connection {
        stream,
        engine,
        session,
        intake: Intake::default(),
        input: Input::default(),
        unsent: Unsent::default(),
        shared,
        long: None,
    };
    let handover = connection.run().await;
    connection.engine.end_session(&mut connection.session);
    if let Some(handover) = handover {
        let Connection { stream, input, session, .. } = connection;
        (handover.take)(stream, input.into_bytes(), session.handle).await;
    }
}

/// How a connection goes on.
enum Followed {
    /// It waits.
    On,
    /// It ends.
    End,
    /// Another task takes it over.
    Handover(Handover),
}

impl Connection {
    async fn run(&mut self) -> Option<Handover> {
        let mut waiting = Waiting::Nothing;
        let handover = self.serve_client(&mut waiting).await;
        self.end_turns(waiting).await;
        handover
    }

    /// Serves the client until it is gone, or another task takes it over.
    async fn serve_client(&mut self, waiting: &mut Waiting) -> Option<Handover> {
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        loop {
            let event = self.next_event(waiting, timer.as_mut()).await;
            let next = match event {
                Event::Killed | Event::Closed => return None,
                Event::Read(count) if matches!(waiting, Waiting::Nothing) => self.execute_read(count),
                Event::Read(count) => {
                    self.keep(count);
                    if self.holds_too_much() {
                        return None;
                    }
                    continue;
                }
                Event::Mail => match self.handle_mail(waiting, &mut timer) {
                    Some(next) => next,
                    None => {
                        if self.flush().await.is_err() {
                            return None;
                        }
                        continue;
                    }
                },
                Event::Reply(bytes) => {
                    self.engine.unpark(&mut self.session);
                    self.engine.end_wait(&mut self.session);
                    // A reply that is not wanted is empty already.
                    self.session.is_reply_unwanted = false;
                    *waiting = Waiting::Nothing;
                    self.unsent.append(&bytes);
                    self.execute_rest()
                }
                Event::Timer => match self.handle_timer(waiting, &mut timer) {
                    Some(next) => next,
                    None => continue,
                },
            };
            match self.follow(next, waiting, &mut timer).await {
                Ok(Followed::On) => self.note_waiting(waiting),
                Ok(Followed::Handover(handover)) => return Some(handover),
                Ok(Followed::End) | Err(_) => return None,
            }
        }
    }

    /// Acts on the reason why processing stopped, until the connection has to wait or no longer belongs to a client.
    async fn follow(
        &mut self,
        mut next: Next,
        waiting: &mut Waiting,
        timer: &mut Option<Pin<Box<Sleep>>>,
    ) -> io::Result<Followed> {
        loop {
            let flushed = self.flush().await;
            if let Next::Continued(rest) = next {
                self.long.get_or_insert_with(|| self.shared.begin_long());
                *waiting = Waiting::Turn(Some(rest), Box::pin(tokio::task::yield_now()));
                return flushed.map(|()| Followed::On);
            }
            flushed?;
            self.long = None;
            match next {
                Next::Input { need } => {
                    self.input.need = need;
                    return Ok(Followed::On);
                }
                Next::Flush => next = self.execute_rest(),
                Next::Blocked => {
                    *waiting = Waiting::Blocked;
                    if let Some(parked) = &self.session.parked
                        && let Some(ms) = parked.spec.timeout_ms
                        && timer.is_none()
                    {
                        *timer = Some(Box::pin(tokio::time::sleep(Duration::from_millis(ms))));
                    }
                    return Ok(Followed::On);
                }
                Next::Wait(future) => {
                    *waiting = Waiting::Reply(future);
                    return Ok(Followed::On);
                }
                Next::Held(held) => {
                    if held == Held::Socket {
                        self.session.socket = Some(SocketHandle::of(&self.stream)?);
                    }
                    let engine = self.engine.clone();
                    *waiting = Waiting::Held { over: Box::pin(async move { engine.held_over(held).await }), held };
                    return Ok(Followed::On);
                }
                Next::Continued(_) | Next::Close => return Ok(Followed::End),
                Next::Handover(handover) => return Ok(Followed::Handover(handover)),
            }
        }
    }

    /// Waits for the socket, mail, the timer, or the awaited reply.
    async fn next_event(&mut self, waiting: &mut Waiting, mut timer: Option<&mut Pin<Box<Sleep>>>) -> Event {
        let shared = self.shared.clone();
        poll_fn(|cx| {
            let handle = &self.session.handle;
            if handle.wants_attention() {
                return Poll::Ready(if handle.is_killed() { Event::Killed } else { Event::Mail });
            }
            handle.register(cx.waker());
            if handle.wants_attention() {
                return Poll::Ready(if handle.is_killed() { Event::Killed } else { Event::Mail });
            }
            if let Waiting::Reply(future) = waiting
                && let Poll::Ready(bytes) = future.as_mut().poll(cx)
            {
                return Poll::Ready(Event::Reply(bytes));
            }
            if let Waiting::Held { over, .. } = waiting
                && over.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(Event::Timer);
            }
            if let Waiting::Turn(_, turn) = waiting
                && turn.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(Event::Timer);
            }
            // While a blocking command is held, the end of its time is left for later.
            if !matches!(waiting, Waiting::Held { .. } | Waiting::Turn(..))
                && let Some(timer) = timer.as_mut()
                && timer.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(Event::Timer);
            }
            // Redis reads nothing while a command runs: the rest waits in the socket.
            if self.input.len() >= HELD_INPUT && self.owes_reply(waiting) {
                return Poll::Pending;
            }
            match self.poll_read(cx, &shared) {
                // The client sends nothing more but still gets its replies; Redis replies before it reads again.
                Poll::Ready(Ok(0)) if self.owes_reply(waiting) => Poll::Pending,
                Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Event::Closed),
                Poll::Ready(Ok(count)) => Poll::Ready(Event::Read(count)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Whether a command is being executed, or only waits for other commands, rather than parked (WAIT, BLPOP) or
    /// paused. If the client of a parked command disconnects, the command is dropped.
    fn owes_reply(&self, waiting: &Waiting) -> bool {
        match waiting {
            Waiting::Reply(_) => self.session.parked.is_none(),
            Waiting::Turn(..) => true,
            Waiting::Held { held, .. } => !matches!(held, Held::Pause(_)),
            Waiting::Nothing | Waiting::Blocked => false,
        }
    }

    /// Reads into the worker's buffer, and from there appends to what the connection already holds; the rest of a long
    /// request is read directly to its place.
    fn poll_read(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<io::Result<usize>> {
        if self.input.is_long() {
            return self.input.poll_read(cx, &mut self.stream);
        }
        let mut input = shared.input.borrow_mut();
        let mut buffer = ReadBuf::new(&mut input);
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        if !self.input.is_empty() {
            self.input.append(buffer.filled());
        }
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Keeps bytes that cannot be executed yet. They are in the worker's buffer exactly if the connection held nothing.
    fn keep(&mut self, count: usize) {
        self.count_read(count);
        if self.input.is_empty() {
            self.input.append(&self.shared.input.borrow()[..count]);
        }
        self.note_input();
    }

    /// Publishes the sizes of the connection's buffers (CLIENT LIST, INFO clients).
    #[cold]
    fn note_input(&self) {
        let stats = &self.session.handle.stats;
        stats.query_buffer.store(self.input.len(), Ordering::Relaxed);
        stats.query_buffer_free.store(self.input.spare(), Ordering::Relaxed);
        self.engine.info.recent_input.note(self.engine.clock.now_ms(), self.input.len());
    }

    /// `client-query-buffer-limit`: the bytes that were sent and not executed yet, including commands queued for EXEC,
    /// exceed the limit.
    fn holds_too_much(&self) -> bool {
        let queued = self.session.multi.as_ref().map_or(0, |multi| multi.memory());
        if self.input.len() + queued <= self.engine.hot.load().client_query_buffer_limit {
            return false;
        }
        bump(&self.engine.stats.query_buffer_limit_disconnections);
        let handle = &self.session.handle;
        self.engine.log.warning(format_args!(
            "Closing client that reached max query buffer length: id={} addr={} qbuf={} multi-mem={queued}",
            handle.id,
            handle.addr,
            self.input.len()
        ));
        true
    }

    fn count_read(&self, count: usize) {
        self.session.handle.stats.total_in.fetch_add(count as u64, Ordering::Relaxed);
        self.engine.stats.net_input_bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Executes after a read of `count` bytes.
    fn execute_read(&mut self, count: usize) -> Next {
        self.count_read(count);
        if !self.input.is_empty() {
            if self.holds_too_much() {
                return Next::Close;
            }
            if self.input.len() < self.input.need {
                self.note_input();
                return Next::Input { need: self.input.need };
            }
            return self.execute_rest();
        }
        let shared = self.shared.clone();
        let mut input = shared.input.borrow_mut();
        let mut output = shared.output.borrow_mut();
        output.clear();
        let (used, next) = self.engine.process(&mut self.session, &mut self.intake, &mut input[..count], &mut output);
        if used < count {
            self.input.append(&input[used..count]);
            self.note_input();
        }
        self.note_pause(&next);
        self.send(&mut output);
        if self.session.in_multi() && self.holds_too_much() { Next::Close } else { next }
    }

    /// Executes the bytes that the connection holds.
    fn execute_rest(&mut self) -> Next {
        if self.input.is_empty() {
            return Next::Input { need: 0 };
        }
        let shared = self.shared.clone();
        let mut output = shared.output.borrow_mut();
        output.clear();
        let next = if self.input.is_long_request() {
            let input = self.input.take_long();
            let done = self.engine.process_long(&mut self.session, &mut self.intake, input, &mut output);
            self.input.put_back(done.rest);
            done.next
        } else {
            let (used, next) =
                self.engine.process(&mut self.session, &mut self.intake, self.input.unread(), &mut output);
            self.input.consume(used);
            next
        };
        self.note_input();
        self.note_pause(&next);
        self.send(&mut output);
        if self.session.in_multi() && self.holds_too_much() { Next::Close } else { next }
    }

    /// Runs a command that had to wait again.
    fn retry(&mut self, args: OwnedArgs) -> Next {
        let shared = self.shared.clone();
        let mut output = shared.output.borrow_mut();
        output.clear();
        let next = self.engine.retry(&mut self.session, args.view(), &mut output);
        if matches!(next, Next::Held(_)) {
            self.session.postponed = Some(args);
        } else {
            self.session.is_shown = false;
        }
        self.note_pause(&next);
        self.send(&mut output);
        next
    }

    /// Runs the rest of a script whose client is gone: what it has begun is not left half done. If the client was
    /// killed, the script ends as soon as it can.
    async fn end_turns(&mut self, waiting: Waiting) {
        let Waiting::Turn(Some(mut rest), _) = waiting else { return };
        loop {
            if self.session.handle.is_killed() {
                rest.cancel();
            }
            // Nobody reads its reply.
            let Next::Continued(more) = self.engine.go_on(&mut self.session, rest, &mut Vec::new()) else { return };
            rest = more;
            tokio::task::yield_now().await;
        }
    }

    /// Runs the next part of a command.
    fn go_on(&mut self, rest: Box<dyn Continued>) -> Next {
        let shared = self.shared.clone();
        let mut output = shared.output.borrow_mut();
        output.clear();
        let next = self.engine.go_on(&mut self.session, rest, &mut output);
        self.send(&mut output);
        next
    }

    /// A client that a pause holds back counts as blocked until just before it gets the reply.
    fn note_pause(&self, next: &Next) {
        self.engine.note_pause(&self.session, matches!(next, Next::Held(Held::Pause(_))));
    }

    /// Publishes whether the client waits for a reply. One that does is not idle.
    fn note_waiting(&self, waiting: &Waiting) {
        let (flag, is_owed) = (&self.session.handle.stats.is_owed, !matches!(waiting, Waiting::Nothing));
        if flag.load(Ordering::Relaxed) != is_owed {
            flag.store(is_owed, Ordering::Relaxed);
        }
    }

    /// Tries to write at once; the rest is kept.
    fn send(&mut self, output: &mut Vec<u8>) {
        if self.session.over_limit {
            self.drop_output(output);
        }
        if output.is_empty() {
            return;
        }
        self.session.handle.stats.total_out.fetch_add(output.len() as u64, Ordering::Relaxed);
        self.engine.stats.net_output_bytes.fetch_add(output.len() as u64, Ordering::Relaxed);
        let mut sent = 0;
        if self.unsent.is_empty() {
            // An error will show again at the next flush or read.
            sent = self.stream.try_write(output).unwrap_or(0);
        }
        if sent < output.len() {
            self.unsent.take(output, sent);
        }
        if output.capacity() > WRITE_BUFFER_KEEP {
            *output = Vec::with_capacity(READ_BUFFER);
        }
    }

    /// `client-output-buffer-limit`: the client gets none of the pending output, and is disconnected.
    #[cold]
    fn drop_output(&mut self, output: &mut Vec<u8>) {
        *output = Vec::with_capacity(READ_BUFFER);
        self.unsent = Unsent::default();
        self.engine.note_slow_reader(&self.session.handle);
    }

    /// Writes all unsent output. A client that does not read delays only itself.
    async fn flush(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        self.engine.info.recent_output.note(self.engine.clock.now_ms(), self.unsent.len());
        while !self.unsent.is_empty() {
            let (stream, unsent, handle) = (&mut self.stream, &self.unsent, &self.session.handle);
            // Published for CLIENT LIST and output buffer limits while the client does not read.
            handle.stats.output_buffer.store(unsent.len(), Ordering::Relaxed);
            let sent = poll_fn(|cx| {
                handle.register(cx.waker());
                if handle.is_killed() {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                Pin::new(&mut *stream).poll_write(cx, unsent.rest())
            })
            .await?;
            self.unsent.advance(sent);
        }
        self.session.handle.stats.output_buffer.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// The blocked command is answered, unless CLIENT REPLY says otherwise.
    fn answer(&mut self, reply: &[u8], was_served: bool) {
        let is_wanted = !std::mem::take(&mut self.session.is_reply_unwanted);
        if is_wanted {
            self.unsent.append(reply);
        }
        if self.session.owed_use.is_some() {
            let sent = if is_wanted { reply.len() } else { 0 };
            self.engine.settle_owed_use(&mut self.session, was_served.then_some(sent));
        }
    }

    /// Takes the mail. `Some`: execution goes on.
    fn handle_mail(&mut self, waiting: &mut Waiting, timer: &mut Option<Pin<Box<Sleep>>>) -> Option<Next> {
        let mut next = None;
        for mail in self.session.handle.take_mail() {
            match mail {
                Mail::Push(bytes) => self.unsent.append(&bytes),
                Mail::Pushes(bytes) => self.unsent.append(&bytes),
                Mail::Reply(bytes) => {
                    self.engine.unpark(&mut self.session);
                    self.answer(&bytes, true);
                    *waiting = Waiting::Nothing;
                    *timer = None;
                    next = Some(Next::Flush);
                }
                Mail::LastReply(bytes) => {
                    self.engine.unpark(&mut self.session);
                    self.answer(&bytes, false);
                    return Some(Next::Close);
                }
                Mail::Retry => {
                    let Some(parked) = self.session.parked.clone() else { continue };
                    self.engine.unpark(&mut self.session);
                    // It is measured anew.
                    self.session.owed_use = None;
                    // CLIENT REPLY SKIP was for this command, and is used up.
                    if std::mem::take(&mut self.session.is_reply_unwanted) && self.session.reply_mode == ReplyMode::On {
                        self.session.reply_mode = ReplyMode::Skip;
                    }
                    *waiting = Waiting::Nothing;
                    // Monitors saw it when it was parked.
                    self.session.is_shown = true;
                    next = Some(self.retry(parked.args.clone()));
                    if !matches!(next, Some(Next::Blocked | Next::Held(_))) {
                        *timer = None;
                    }
                }
            }
        }
        next
    }

    /// The timer expired. `Some`: execution goes on.
    fn handle_timer(&mut self, waiting: &mut Waiting, timer: &mut Option<Pin<Box<Sleep>>>) -> Option<Next> {
        match waiting {
            Waiting::Blocked => {
                *timer = None;
                let parked = self.session.parked.clone()?;
                // The thread that claimed it first has already posted the reply, or will post this one.
                let Mail::Reply(bytes) = parked.leave(Mail::Reply(parked.timeout_reply()))? else { return None };
                self.engine.unpark(&mut self.session);
                self.answer(&bytes, false);
                *waiting = Waiting::Nothing;
                Some(Next::Flush)
            }
            Waiting::Held { .. } => {
                *waiting = Waiting::Nothing;
                let next = match self.session.postponed.take() {
                    Some(args) => self.retry(args),
                    None => Next::Flush,
                };
                if !matches!(next, Next::Blocked | Next::Held(_)) {
                    *timer = None;
                }
                Some(next)
            }
            Waiting::Turn(rest, _) => {
                let rest = rest.take()?;
                *waiting = Waiting::Nothing;
                Some(self.go_on(rest))
            }
            Waiting::Nothing | Waiting::Reply(_) => {
                *timer = None;
                None
            }
        }
    }
}
