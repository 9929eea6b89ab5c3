//! A mail server for tests, over TCP: it accepts e-mails, or fails in the ways that mail servers do.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use mail_parser::{Message, MessageParser};
use mailin::{Action, AuthMechanism, Handler, Response, Session, SessionBuilder, response};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// The credentials, if the server requires sign-in.
pub const LOGIN: (&str, &str) = ("robot", "s3cret @/:");

/// The server's reaction to the next e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Answers the recipient command with this code.
    Answer(u16),
    /// Disconnects after the first lines of the e-mail.
    HangUp,
    /// Accepts the e-mail, and disconnects without acknowledging it.
    TakeAndHangUp,
}

#[derive(Default)]
struct State {
    plan: VecDeque<Next>,
    letters: Vec<(Vec<String>, Vec<u8>)>,
    connections: usize,
    logins: Vec<(String, String)>,
    encrypted: usize,
}

/// The server; it stops at the end of the test.
pub struct Smtp {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

struct Taker {
    state: Arc<Mutex<State>>,
    to: Vec<String>,
    data: Vec<u8>,
}

impl Handler for Taker {
    fn mail(&mut self, _: IpAddr, _: &str, _: &str) -> Response {
        self.to.clear();
        response::OK
    }

    fn rcpt(&mut self, to: &str) -> Response {
        self.to.push(to.to_owned());
        let mut state = self.state.lock().unwrap();
        let Some(Next::Answer(code)) = state.plan.front().copied() else { return response::OK };
        state.plan.pop_front();
        Response::custom(code, "5.1.1 so said\tthe server".into())
    }

    fn auth_plain(&mut self, _: &str, name: &str, password: &str) -> Response {
        self.state.lock().unwrap().logins.push((name.to_owned(), password.to_owned()));
        if (name, password) == LOGIN { response::AUTH_OK } else { response::INVALID_CREDENTIALS }
    }

    fn data_start(&mut self, _: &str, _: &str, _: bool, _: &[String]) -> Response {
        self.data.clear();
        response::START_DATA
    }

    fn data(&mut self, line: &[u8]) -> std::io::Result<()> {
        self.data.extend_from_slice(line);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        self.state.lock().unwrap().letters.push((self.to.clone(), self.data.clone()));
        response::OK
    }
}

impl Smtp {
    /// Listens on a free port.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// As [`Smtp::start`]; with a certificate, it offers STARTTLS and then requires [`LOGIN`].
    pub async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                shared.lock().unwrap().connections += 1;
                // Connection errors are ignored: the client reports them.
                tokio::spawn(converse(stream, peer.ip(), Arc::clone(&shared), tls.clone()));
            }
        });
        Self { port, state }
    }

    /// Sets the reactions to the next e-mails, in this order; later ones are accepted.
    pub fn next(&self, plan: impl IntoIterator<Item = Next>) {
        self.state.lock().unwrap().plan.extend(plan);
    }

    /// Names and passwords that clients tried; requested on encrypted connections only.
    pub fn logins(&self) -> Vec<(String, String)> {
        self.state.lock().unwrap().logins.clone()
    }

    /// The number of encrypted connections.
    pub fn encrypted(&self) -> usize {
        self.state.lock().unwrap().encrypted
    }

    /// The number of connections.
    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// The accepted e-mails: recipients and raw text.
    pub fn raw(&self) -> Vec<(Vec<String>, String)> {
        let state = self.state.lock().unwrap();
        state.letters.iter().map(|(to, data)| (to.clone(), String::from_utf8(data.clone()).unwrap())).collect()
    }

    /// The accepted e-mails, parsed.
    pub fn letters(&self) -> Vec<Message<'static>> {
        self.raw().iter().map(|(_, raw)| MessageParser::default().parse(raw).unwrap().into_owned()).collect()
    }
}

async fn converse(mut stream: TcpStream, peer: IpAddr, state: Arc<Mutex<State>>, tls: Option<TlsAcceptor>) -> std::io::Result<()> {
    let taker = Taker { state: Arc::clone(&state), to: Vec::new(), data: Vec::new() };
    let mut builder = SessionBuilder::new("mail.test");
    if tls.is_some() {
        builder.enable_start_tls().enable_auth(AuthMechanism::Plain);
    }
    let mut session = builder.build(peer, taker);
    stream.write_all(&session.greeting().buffer()?).await?;
    let (Some(stream), Some(tls)) = (talk(stream, &mut session, &state).await?, tls) else { return Ok(()) };
    let stream = tls.accept(stream).await?;
    state.lock().unwrap().encrypted += 1;
    session.tls_active();
    talk(stream, &mut session, &state).await?;
    Ok(())
}

/// Handles commands; returns the connection if it is to be encrypted.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    session: &mut Session<Taker>,
    state: &Mutex<State>,
) -> std::io::Result<Option<S>> {
    let mut lines = BufReader::new(stream);
    let mut in_data = false;
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).await? > 0 {
        let next = state.lock().unwrap().plan.front().copied();
        let ends = in_data && line == b".\r\n";
        if (in_data && next == Some(Next::HangUp)) || (ends && next == Some(Next::TakeAndHangUp)) {
            if ends {
                drop(session.process(&line));
            }
            state.lock().unwrap().plan.pop_front();
            return Ok(None);
        }
        let answer = session.process(&line);
        in_data = answer.code == 354 || (in_data && !ends);
        line.clear();
        lines.get_mut().write_all(&answer.buffer()?).await?;
        match answer.action {
            Action::Close => break,
            Action::UpgradeTls => return Ok(Some(lines.into_inner())),
            _ => {}
        }
    }
    Ok(None)
}
