// A mail server for the program under test: it accepts every e-mail, and tests read them.
import PostalMime from 'postal-mime';
import { SMTPServer } from 'smtp-server';

export class Mailbox {
  /** Starts a mail server; `url` is the value for EARSHOT_SMTP_URL. */
  static async start() {
    const box = new Mailbox();
    box.letters = [];
    box.refuse = undefined;
    box.server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['AUTH', 'STARTTLS'],
      hideSTARTTLS: true,
      disableReverseLookup: true,
      logger: false,
      onRcptTo: (_address, _session, done) => done(box.refuse),
      onData: (stream, session, done) => {
        const parts = [];
        stream.on('data', (part) => parts.push(part));
        stream.on('end', async () => {
          const letter = await PostalMime.parse(Buffer.concat(parts));
          // The actual recipients, whatever the headers say.
          box.letters.push({ ...letter, to: session.envelope.rcptTo.map((r) => r.address) });
          done();
        });
      },
    });
    await new Promise((resolve, reject) => {
      box.server.once('error', reject);
      box.server.listen(0, '127.0.0.1', resolve);
    });
    // A client that disconnects early does not fail the test.
    box.server.on('error', () => {});
    box.url = `smtp://127.0.0.1:${box.server.server.address().port}`;
    return box;
  }

  /** Rejects every e-mail permanently until `refuseNothing` is called. */
  refuseAll(text = 'No such mailbox') {
    this.refuse = Object.assign(new Error(text), { responseCode: 550 });
  }

  refuseNothing() {
    this.refuse = undefined;
  }

  /**
   * Waits for an e-mail to this address with a matching subject, and returns `subject`, `text`, `html`, `messageId`, `headers`. Removes it,
   * so that the next call waits for the next one.
   */
  async letter(to, subject = /./) {
    const end = Date.now() + 90_000;
    while (Date.now() < end) {
      const at = this.letters.findIndex((l) => l.to.includes(to) && subject.test(l.subject));
      if (at >= 0) return this.letters.splice(at, 1)[0];
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`no letter to ${to} about ${subject}; there are: ${JSON.stringify(this.letters.map((l) => [l.to, l.subject]))}`);
  }

  stop() {
    return new Promise((resolve) => this.server.close(resolve));
  }
}

/** The first link in an e-mail's text below this path. */
export function linkIn(letter, path) {
  const found = letter.text.split(/\s+/).find((word) => URL.canParse(word) && new URL(word).pathname.startsWith(path));
  if (!found) throw new Error(`no link to ${path} in:\n${letter.text}`);
  return found;
}
